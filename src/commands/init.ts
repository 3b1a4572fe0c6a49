import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import {
  CI_SERVERS,
  parseInitOptions,
  starterJson,
  starterWorkflow,
  starterYaml,
  WORKFLOW_PATHS,
  type CiServer,
  type Installation,
  type StarterModel,
} from '../config/index.js';
import { AttnDiffError, EXIT } from '../errors.js';
import { packageVersion } from '../pipeline/describe.js';
import { survey } from '../pipeline/inspect.js';
import { CONFIG_NAMES, configsHere } from '../pipeline/configFile.js';
import { DTYPE_HELP, MODEL_HELP } from './run.js';
import type { Host } from './host.js';
import { withResources } from './resources.js';
import { visible } from '../printable.js';

/** The schema of the configuration, as the package ships it, seen from a project that has the package. */
const SCHEMA = './node_modules/attn-diff/config.schema.json';

export function initCommand(host: Host): Command {
  return new Command('init')
    .description(
      'Look at a model, and write a configuration with comments and a workflow for CI into the current folder.',
    )
    .option('--model <path>', MODEL_HELP)
    .option('--dtype <dtype>', DTYPE_HELP)
    .option('--yaml', `write ${CONFIG_NAMES[2]} instead of ${CONFIG_NAMES[0]}`)
    .option('--ci <server>', `write a workflow for ${CI_SERVERS.join(', ')} (default: github)`)
    .option('--force', 'replace files that are there')
    .action(async (options) => {
      const { model, dtype, yaml, ci, force } = parseInitOptions(options);
      const config = CONFIG_NAMES[yaml ? 2 : 0];
      const workflow = ci === 'none' ? null : WORKFLOW_PATHS[ci];
      refuseExisting(config, workflow, force);
      const made =
        workflow === null ? undefined : mkdirSync(dirname(workflow), { recursive: true });
      const how = installation();
      await withResources(
        host,
        [config, ...(workflow === null ? [] : [workflow])],
        async ({ outputs: [configOutput, workflowOutput], runners, download }) => {
          const { inspection, hasTokenizer } = await survey(model, runners.at({}), {
            dtype,
            hub: download,
          });
          const starter: StarterModel = {
            path: model,
            dtype,
            inspection,
            hasTokenizer,
            schema: existsSync(SCHEMA) ? SCHEMA : null,
          };
          configOutput!.write((yaml ? starterYaml : starterJson)(starter));
          workflowOutput?.write(starterWorkflow(ci as Exclude<CiServer, 'none'>, how));
        },
      ).catch((error: unknown) => {
        if (made !== undefined) rmSync(made, { recursive: true });
        throw error;
      });
      process.stdout.write(
        `Wrote ${visible(config)}${workflow === null ? '' : ` and ${visible(workflow)}`}. Look at ${workflow === null ? 'it' : 'them'}, and try: attn-diff run\n`,
      );
      if (workflow !== null && how.kind === 'tarball' && !existsSync(how.path))
        process.stdout.write(
          `The workflow installs attn-diff from ${visible(how.path)}, which is not there: make it with npm pack in a clone of attn-diff and commit it, or write in the workflow where else it comes from.\n`,
        );
      host.finish(EXIT.passed);
    }) as unknown as Command;
}

/** @throws AttnDiffError file-exists, config-file-there (a configuration of another name) */
function refuseExisting(config: string, workflow: string | null, force: boolean): void {
  const other = configsHere().find((name) => name !== config);
  if (other !== undefined) throw new AttnDiffError('config-file-there', { path: other });
  const existing = [config, ...(workflow === null ? [] : [workflow])].find((path) =>
    existsSync(path),
  );
  if (existing !== undefined && !force) throw new AttnDiffError('file-exists', { path: existing });
}

/** As the project has attn-diff: among the dependencies of package.json, or as a tarball beside it. */
function installation(): Installation {
  if (dependencies().has('attn-diff'))
    return {
      kind: 'dependency',
      isLocked: ['package-lock.json', 'npm-shrinkwrap.json'].some((name) => existsSync(name)),
    };
  const tarball = readdirSync('.').find((name) => /^attn-diff-[\w.-]+\.tgz$/.test(name));
  return { kind: 'tarball', path: `./${tarball ?? `attn-diff-${packageVersion()}.tgz`}` };
}

/** What package.json says that the project needs; nothing where there is none, or it cannot be read. */
function dependencies(): Set<string> {
  try {
    const {
      dependencies: needed,
      devDependencies,
      optionalDependencies,
    } = JSON.parse(readFileSync('package.json', 'utf8')) as Partial<Record<string, object>>;
    return new Set(
      [needed, devDependencies, optionalDependencies].flatMap((each) => Object.keys(each ?? {})),
    );
  } catch {
    return new Set();
  }
}
