import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { EVENT_OPERATIONS, OPERATIONS, RAW_OPERATIONS } from '../../src/api/index.ts'
import { describeSettings } from '../../src/node/index.ts'
import { METRICS } from '../../src/node/metrics.ts'

/**
 * The tables of the guides that are printed from the code: `node test/support/doc-tables.ts` writes them between their
 * markers, a test compares them.
 */
const TABLES: Readonly<Record<string, () => string>> = {
  operations: operationTable,
  settings: describeSettings,
  metrics: metricTable
}

export const GUIDES = ['api', 'configuration', 'operations'].map(
  (name) => new URL(`../../docs/guides/${name}.md`, import.meta.url)
)

function operationTable(): string {
  const rows = [...OPERATIONS, ...EVENT_OPERATIONS, ...RAW_OPERATIONS]
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.method < b.method ? -1 : 1))
    .map(({ method, path, summary, command }) => {
      const same = command === undefined ? '' : `\`ddm ${command}\``
      return `| ${method} | \`${path.replace(/:([a-z]+)/g, '{$1}')}\` | ${summary} | ${same} |`
    })
  return ['| method | path | what it does | command line |', '|---|---|---|---|', ...rows].join('\n')
}

function metricTable(): string {
  const rows = Object.entries(METRICS).map(([name, { labels, help }]) => {
    return `| \`${name}\` | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`
  })
  return ['| metric | labels | meaning |', '|---|---|---|', ...rows].join('\n')
}

/** The page with every table as the code has it. */
export function withTables(page: string): string {
  return page.replace(
    /(<!-- table: ([a-z]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const table = TABLES[name]
      if (table === undefined) throw new Error(`there is no table "${name}"`)
      return `${start}\n${table()}\n\n${end}`
    }
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const guide of GUIDES) await writeFile(guide, withTables(await readFile(guide, 'utf8')))
}
