// Runs a program of dist/ such that its exit code is one of docs/exit-codes.md whatever happens. Errors while modules
// load would end with node's own code, 1, which means a failed gate. Written for node 14.6 and newer, so that an older node than
// attn-diff needs can say so.

const GATE_FAILED = 1;
const EXECUTION = 4;
const OLDEST_NODE = [20, 19];
/** All modules are read at once, and node raises the soft limit by itself, so that this is about hard ones. */
const ENOUGH_FILES = 256;

/**
 * @param {string} name of the program, for messages
 * @param {() => Promise<{ main: (finish: (code: number) => void) => Promise<void>, faultText: (error: unknown) => string }>} load
 */
export function start(name, load) {
  let finished = null;
  let isOver = false;
  let faultText = loadText;
  const say = (text) => process.stderr.write(`${name}: ${text}\n`);
  const refuse = (text) => {
    isOver = true;
    finished = EXECUTION;
    say(text);
    process.exit(EXECUTION);
  };
  process.stderr.on('error', () => undefined);
  process.on('uncaughtException', (error) => refuse(faultText(error)));
  process.on('exit', (code) => {
    if (!isOver && code === 0)
      say('it ended before its work was done. This is a fault of the program: please report it.');
    const isOwn = code === finished || (code !== GATE_FAILED && code <= EXECUTION);
    if (!isOwn || (!isOver && code === 0)) process.exitCode = EXECUTION;
  });
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    refuse(
      `Node.js ${process.versions.node} is too old: ${OLDEST_NODE.join('.')} or newer is needed.`,
    );
  }
  const run = (program) => {
    faultText = program.faultText;
    return program.main((code) => {
      finished = code;
      process.exitCode = code;
    });
  };
  load()
    .then(run)
    .then(() => {
      isOver = true;
      // What still runs has nothing more to say: a digest of gigabytes, a download.
      return Promise.all([...[process.stdout, process.stderr].map(flushed), decisionSent()]).then(
        () => process.exit(),
      );
    })
    .catch((error) => refuse(faultText(error)));
}

function flushed(stream) {
  return new Promise((resolve) => stream.write('', resolve));
}

/** Who has started this with a channel, as the hook of pre-commit does, learns that the code is the program's own. */
function decisionSent() {
  return process.send
    ? new Promise((resolve) => process.send({ exitCode: process.exitCode || 0 }, resolve))
    : undefined;
}

function loadText(error) {
  const files = openFiles();
  if (files !== null && files < ENOUGH_FILES)
    return `it cannot start with ${files} open files at most. Allow more: ulimit -n 1024.`;
  const code = error && error.code;
  if (code === 'EMFILE' || code === 'ENFILE')
    return `it cannot start: too many files are open (${code}). Close some, or allow more: ulimit -n 1024.`;
  const first = String((error && error.message) || error)
    .split('\n')[0]
    .replace(/[.\s]+$/, '');
  return `it cannot start: ${first}. The installation is incomplete or damaged: install it again.`;
}

/** How many files this process may have open; null where that is not known. */
function openFiles() {
  try {
    const { soft } = process.report.getReport().userLimits.open_files;
    return typeof soft === 'number' ? soft : null;
  } catch {
    return null;
  }
}
