/** Servers that a first workflow is written for. */
export const CI_SERVERS = ['github', 'gitlab', 'none'] as const;
export type CiServer = (typeof CI_SERVERS)[number];

/** Where each looks for its workflow. */
export const WORKFLOW_PATHS: Readonly<Record<Exclude<CiServer, 'none'>, string>> = {
  github: '.github/workflows/attn-diff.yml',
  gitlab: '.gitlab-ci.yml',
};

/** How attn-diff comes onto the server: with the project's own packages, or from a tarball that `npm pack` made. */
export type Installation =
  { kind: 'dependency'; isLocked: boolean } | { kind: 'tarball'; path: string };

const install = (how: Installation): string =>
  how.kind === 'dependency'
    ? `npm ${how.isLocked ? 'ci' : 'install'} --ignore-scripts`
    : `npm install --ignore-scripts --no-save ${how.path}`;

const WRITTEN = ['attn-diff.html', 'attn-diff.xml'];

/** A workflow that runs attn-diff with the configuration in the repository, and keeps its reports however it ends. */
export function starterWorkflow(server: Exclude<CiServer, 'none'>, how: Installation): string {
  return server === 'github' ? github(how) : gitlab(how);
}

// In GitHub Actions attn-diff writes annotations and the step summary by itself.
const github = (how: Installation): string => `name: attn-diff
on:
  push:
    branches: [main]
  pull_request:
permissions:
  contents: read
jobs:
  attention:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@d23441a48e516b6c34aea4fa41551a30e30af803 # v6.1.0
        with:
          lfs: true
      - uses: actions/setup-node@249970729cb0ef3589644e2896645e5dc5ba9c38 # v6.5.0
        with:
          node-version: 20
      - run: ${install(how)}
      - run: npx attn-diff run
      - if: always()
        uses: actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f # v6.0.0
        with:
          name: attn-diff
          path: |
${WRITTEN.map((path) => `            ${path}`).join('\n')}
`;

const gitlab = (how: Installation): string => `attn-diff:
  image: node:20
  script:
    - ${install(how)}
    - npx attn-diff run
  artifacts:
    when: always
    paths: [${WRITTEN.join(', ')}]
    reports:
      junit: attn-diff.xml
`;
