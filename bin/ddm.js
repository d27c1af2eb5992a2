#!/usr/bin/env node
// Plain JavaScript that any Node since 12 can read: it tells the user of an old one what to do.
const MINIMUM = 24
const major = Number(process.versions.node.split('.')[0])

if (major < MINIMUM) {
  process.stderr.write(
    'ddm needs Node ' +
      MINIMUM +
      ' or newer; this is Node ' +
      process.versions.node +
      '.\n' +
      'Install a newer one from https://nodejs.org (or run: npx node@' +
      MINIMUM +
      ' ' +
      process.argv[1] +
      ')' +
      ' and try again.\n'
  )
  process.exit(3)
}

import('node:fs').then((fs) => {
  const compiled = new URL('../dist/src/cli/main.js', import.meta.url)
  const source = new URL('../src/cli/main.ts', import.meta.url)
  return import((fs.existsSync(compiled) ? compiled : source).href)
})
