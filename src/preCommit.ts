import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EXIT } from './errors.js';
import { gravest, hookRuns, notPassed } from './hookRuns.js';

// What pre-commit runs: attn-diff on each model that a commit changes, one after another.
const command = fileURLToPath(new URL('../bin/attn-diff.js', import.meta.url));
const runs = hookRuns(process.argv.slice(2));
if (runs.length === 0) process.stderr.write('attn-diff-pre-commit: no .onnx file is named. Name some, after the options of attn-diff run.\n');
const ran = runs.map(({ model, args }) => ({ model, code: spawnSync(process.execPath, [command, ...args], { stdio: 'inherit' }).status }));
for (const line of notPassed(ran)) process.stderr.write(`${line}\n`);
process.exitCode = runs.length === 0 ? EXIT.usage : gravest(ran.map(({ code }) => code));
