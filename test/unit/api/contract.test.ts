import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Command } from 'commander'
import { EVENT_OPERATIONS, OPERATIONS, openApi, RAW_OPERATIONS } from '../../../src/api/index.ts'
import { createProgram } from '../../../src/cli/program.ts'

/** The API, its description, the command line and the guides say the same. */

const ALL = [...OPERATIONS, ...EVENT_OPERATIONS, ...RAW_OPERATIONS]

function commands(command: Command, before: string[] = []): string[] {
  return command.commands.flatMap((child) => {
    const name = [...before, child.name()]
    return child.commands.length === 0 ? [name.join(' ')] : commands(child, name)
  })
}

const PROGRAM = createProgram(() => async () => {})
const COMMANDS = commands(PROGRAM).filter((name) => name !== 'demo-buyer')

/** Commands that make or look at files, or are processes of their own: a running node has nothing to do with them. */
const WITHOUT_NODE = new Set([
  'start',
  'init',
  'doctor',
  'backup',
  'restore',
  'completion',
  'receipts verify',
  'sample',
  'sessions resume',
  'listings resume',
  'listings retire',
  'budget show',
  'network export',
  'network join',
  'network iota',
  'bootstrap',
  'chain',
  'iota-ledger',
  'deploy',
  'demo'
])

test('names and paths of operations are unique', () => {
  assert.equal(new Set(ALL.map(({ id }) => id)).size, ALL.length)
  assert.equal(new Set(ALL.map(({ method, path }) => `${method} ${path}`)).size, ALL.length)
})

test('every operation is in the OpenAPI document, with its parameters, body and answer', () => {
  const document = openApi('1.2.3')
  assert.equal(document.openapi, '3.1.0')
  for (const { id, method, path } of ALL) {
    const described = document.paths[path.replace(/:([a-z]+)/g, '{$1}')]?.[method.toLowerCase()] as {
      operationId: string
      parameters?: Array<{ name: string; in: string }>
      requestBody?: object
      responses: Record<string, object>
    }
    assert.equal(described?.operationId, id)
    const inPath = [...path.matchAll(/:([a-z]+)/g)].map(([, name]) => name)
    const named = (described.parameters ?? []).filter((parameter) => parameter.in === 'path').map(({ name }) => name)
    assert.deepEqual(named, inPath, id)
    assert.deepEqual(Object.keys(described.responses), ['200', 'default'])
  }
  const count = Object.values(document.paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0)
  assert.equal(count, ALL.length)
})

test('a body with keys that nobody knows is refused by its schema', () => {
  for (const operation of OPERATIONS) {
    if (operation.body === undefined) continue
    const described = openApi('1').paths[operation.path.replace(/:([a-z]+)/g, '{$1}')]?.[
      operation.method.toLowerCase()
    ] as { requestBody: { content: { 'application/json': { schema: { additionalProperties?: boolean } } } } }
    assert.equal(described.requestBody.content['application/json'].schema.additionalProperties, false, operation.id)
  }
})

test('the command that an operation names exists, and every command has an operation or needs none', () => {
  const named = ALL.map(({ command }) => command).filter((command) => command !== undefined)
  for (const command of named) assert.ok(COMMANDS.includes(command), `ddm ${command}`)
  const covered = new Set(named)
  for (const command of COMMANDS) assert.ok(covered.has(command) || WITHOUT_NODE.has(command), `ddm ${command}`)
})

test('the guide names every command', async () => {
  const guide = await readFile(new URL('../../../docs/guides/cli.md', import.meta.url), 'utf8')
  for (const command of COMMANDS) {
    const [group = '', name] = command.split(' ')
    const row = guide.split('\n').find((line) => line.startsWith(`| \`${group}`) && line.includes(name ?? group))
    assert.ok(row !== undefined, `ddm ${command} is not in docs/guides/cli.md`)
  }
})
