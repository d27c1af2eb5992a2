import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { EVENT_OPERATIONS, OPERATIONS, RAW_OPERATIONS } from '../../src/api/index.ts'
import { commandsOf } from '../../src/api/operation.ts'
import { createProgram } from '../../src/cli/program.ts'
import { describeSettings } from '../../src/node/index.ts'
import { METRICS } from '../../src/node/metrics.ts'

/**
 * The tables of the guides that are printed from the code: `node test/support/doc-tables.ts` writes them between their
 * markers, a test compares them.
 */
const TABLES: Readonly<Record<string, () => string>> = {
  operations: operationTable,
  commands: commandTable,
  settings: describeSettings,
  metrics: metricTable
}

export const GUIDES = ['api', 'cli', 'configuration', 'operations'].map(
  (name) => new URL(`../../docs/guides/${name}.md`, import.meta.url)
)

function operationTable(): string {
  const rows = [...OPERATIONS, ...EVENT_OPERATIONS, ...RAW_OPERATIONS]
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.method < b.method ? -1 : 1))
    .map((operation) => {
      const { method, path, summary } = operation
      const same = commandsOf(operation)
        .map((command) => `\`ddm ${command}\``)
        .join(', ')
      return `| ${method} | \`${path.replace(/:([a-z]+)/g, '{$1}')}\` | ${summary} | ${same} |`
    })
  return ['| method | path | what it does | command line |', '|---|---|---|---|', ...rows].join('\n')
}

/** The commands of the program by their names, without the parts of the demo. */
export function commandsByName(): Map<string, Command> {
  const leaves = (command: Command, before: readonly string[]): Array<[string, Command]> =>
    command.commands.flatMap((child): Array<[string, Command]> => {
      const path = [...before, child.name()]
      return child.commands.length === 0 ? [[path.join(' '), child]] : leaves(child, path)
    })
  const all = leaves(
    createProgram(() => async () => {}),
    []
  )
  return new Map(all.filter(([name]) => name !== 'demo-buyer'))
}

function commandTable(): string {
  const rows = [...commandsByName()].map(([name, command]) => {
    const given = command.registeredArguments.map((argument) => {
      const word = argument.name().toUpperCase() + (argument.variadic ? '…' : '')
      return argument.required ? word : `[${word}]`
    })
    const flags = command.options.map(({ long }) => `\`${long}\``).join(' ')
    return `| \`${[name, ...given].join(' ')}\` | ${command.description()} | ${flags} |`
  })
  return ['| command | what it does | its flags |', '|---|---|---|', ...rows].join('\n')
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
