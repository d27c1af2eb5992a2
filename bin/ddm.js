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

import('node:fs').then(({ existsSync }) => {
  const compiled = new URL('../dist/src/cli/main.js', import.meta.url)
  const source = new URL('../src/cli/main.ts', import.meta.url)
  return import((existsSync(compiled) ? compiled : source).href)
})
