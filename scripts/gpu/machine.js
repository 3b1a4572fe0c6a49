// What the head of the table names besides what doctor finds.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const SECONDS = 10;

/** What a program prints; null where there is none or it fails. */
function printed(program, ...args) {
  const { status, stdout } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: SECONDS * 1000,
  });
  return status === 0 ? stdout.trim() : null;
}

/** The driver's CUDA, torch where Python has it, and the commit of ONNX Runtime. */
export function machineFacts(root) {
  const smi = printed('nvidia-smi');
  return {
    CUDA: /CUDA Version: ([\d.]+)/.exec(smi ?? '')?.[1] ?? null,
    'onnxruntime commit': runtimeCommit(root),
    torch: printed(
      'python3',
      '-c',
      'from importlib.metadata import version; print(version("torch"))',
    ),
  };
}

/** The commit that the Node package's library says it was built from. */
function runtimeCommit(root) {
  const library = join(
    root,
    'node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1',
  );
  try {
    const bytes = readFileSync(library);
    const at = bytes.indexOf('git-commit-id=');
    return at < 0 ? null : (/=([\da-f]+)/.exec(bytes.toString('latin1', at, at + 64))?.[1] ?? null);
  } catch {
    return null;
  }
}
