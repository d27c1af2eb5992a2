#!/usr/bin/env node
// Plain JavaScript that any Node since 12 can read: it tells the user of an old one what to do.
const MINIMUM = 24
const { node } = process.versions

if (Number(node.split('.')[0]) < MINIMUM) {
  process.stderr.write(`ddm needs Node ${MINIMUM} or newer; this is Node ${node}.
Install a newer one from https://nodejs.org and try again, or run: npx node@${MINIMUM} ${process.argv[1]}
`)
  process.exit(3)
}

// A clone runs its source, so that an old build is never taken for it; the published package has only the build.
Promise.all(['node:fs', 'node:module', 'node:os', 'node:path'].map((name) => import(name)))
  .then(([{ existsSync }, { enableCompileCache }, { homedir }, { join }]) => {
    // Reading and compiling some thousand modules is most of a short command. In the user's own folder: others can
    // write to the shared one.
    enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ddm'))
    const source = new URL('../src/cli/main.ts', import.meta.url)
    const compiled = new URL('../dist/lib/ddm.js', import.meta.url)
    return import((existsSync(source) ? source : compiled).href)
  })
  .catch((error) => {
    process.stderr.write(`${error.stack}\n`)
    process.exit(1)
  })
