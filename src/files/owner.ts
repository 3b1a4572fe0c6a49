import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Names one process among all that ever were. A number of a process comes again, in containers soon; its number, the
 * time it started and the boot of the machine together do not.
 */
export interface Owner {
  host: string;
  /** Linux: of this boot of the machine; null elsewhere. */
  boot: string | null;
  /** Linux: the namespace in which `pid` counts; null elsewhere. */
  namespace: string | null;
  pid: number;
  /** Linux: clock ticks from the boot to the start of the process; null elsewhere. */
  started: string | null;
}

/** What a machine knows of its processes. */
export interface Machine extends Pick<Owner, 'host' | 'boot' | 'namespace'> {
  /** When a process started, as in {@link Owner}; undefined where there is no such process. */
  startOf: (pid: number) => string | null | undefined;
}

/** This machine, as this process sees it. */
export function thisMachine(): Machine {
  const boot = tryRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  return {
    host: hostname(),
    boot,
    namespace: tryRead(() => readlinkSync('/proc/self/ns/pid')),
    startOf: boot === null ? isRunning : startTicks,
  };
}

export function ownOwner(machine: Machine = thisMachine()): Owner {
  const { host, boot, namespace, startOf } = machine;
  return { host, boot, namespace, pid: process.pid, started: startOf(process.pid) ?? null };
}

/**
 * Whether a process has ended.
 *
 * @returns null where that cannot be known from here: another machine, another container
 */
export function hasEnded(
  { host, boot, namespace, pid, started }: Owner,
  machine: Machine = thisMachine(),
): boolean | null {
  if (host !== machine.host || boot !== machine.boot || namespace !== machine.namespace)
    return null;
  const now = machine.startOf(pid);
  if (now === undefined) return true;
  return started === null || now === null ? null : now !== started;
}

/** An owner as it was written; null for anything else. */
export function readOwner(text: string): Owner | null {
  try {
    const { host, boot, namespace, pid, started } = JSON.parse(text) as Owner;
    const isOwner =
      typeof host === 'string' &&
      Number.isSafeInteger(pid) &&
      pid > 0 &&
      [boot, namespace, started].every((part) => part === null || typeof part === 'string');
    return isOwner ? { host, boot, namespace, pid, started } : null;
  } catch {
    return null;
  }
}

/** Field 22 of /proc/PID/stat, counted after the name in brackets, which may hold anything. */
function startTicks(pid: number): string | null | undefined {
  const stat = tryRead(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat === null) return isRunning(pid);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : (fields[19] ?? null);
}

function isRunning(pid: number): null | undefined {
  try {
    process.kill(pid, 0);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? undefined : null;
  }
}

function tryRead(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
