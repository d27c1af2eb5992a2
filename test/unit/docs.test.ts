import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { test } from 'node:test'
import { DEMO_HOME, demoFolder } from '../../src/cli/demo/folder.ts'
import { GUIDES, withTables } from '../support/doc-tables.ts'

for (const guide of GUIDES) {
  test(`the tables of ${guide.pathname.split('/').at(-1)} are those of the code`, async () => {
    const page = await readFile(guide, 'utf8')
    assert.match(page, /<!-- table: /)
    assert.equal(page, withTables(page), 'stale: node test/support/doc-tables.ts')
  })
}

const ROOT = new URL('../../', import.meta.url)

const isInside = (path: string, folder: string): boolean => !relative(folder, path).startsWith('..')

test('what is done by hand and what npm start does share no folder', async () => {
  for (const page of ['README.md', 'docs/guides/cli.md', 'docs/guides/iota.md']) {
    const homes = [...(await readFile(new URL(page, ROOT), 'utf8')).matchAll(/--home (\.[^\s)`]+)/g)]
    assert.ok(homes.length > 0, page)
    for (const [, home = ''] of homes) {
      assert.ok(!isInside(home, DEMO_HOME) && !isInside(DEMO_HOME, home), `${page}: ${home} is that of npm start`)
    }
  }
})

test('examples that run beside npm start look where its network profile is', async () => {
  const profile = relative('.', demoFolder().profile)
  const names = await readdir(new URL('examples/', ROOT))
  for (const name of names.filter((file) => file.endsWith('.ts'))) {
    const text = await readFile(new URL(`examples/${name}`, ROOT), 'utf8')
    for (const [path] of text.matchAll(/\.ddm\/[^\s']*network\.json/g)) assert.equal(path, profile, name)
  }
})
