import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EVENT_OPERATIONS, OPERATIONS, openApi, RAW_OPERATIONS } from '../../../src/api/index.ts'
import { commandsOf } from '../../../src/api/operation.ts'
import { commandsByName } from '../../support/doc-tables.ts'

/** The API, its description, the command line and the guides say the same. */

const ALL = [...OPERATIONS, ...EVENT_OPERATIONS, ...RAW_OPERATIONS]

const COMMANDS = commandsByName()

/** Operations that no command stands for, and why. */
const WITHOUT_COMMAND: Readonly<Record<string, string>> = {
  getHealth: 'for whatever watches the process',
  getMetrics: 'for Prometheus',
  getOpenApi: 'for programs',
  getListingSchema: 'for the form of the page',
  countFacets: 'for the page: how many of each kind a search found',
  quoteListing: 'ddm buy says it before it orders',
  syncListings: 'every command that looks at listings waits for it',
  watchListings: 'for the page and for bots',
  watchSessions: 'for the page and for bots',
  listFollowings: 'a command sees its own',
  getFollowing: 'a part of ddm follow',
  stopFollowing: 'a part of ddm follow: Ctrl-C',
  takeFollowed: 'a part of ddm follow',
  listPurchases: 'a command sees its own',
  getPurchase: 'a part of ddm buy',
  stopPurchase: 'a part of ddm buy: Ctrl-C',
  commitPurchase: 'a part of ddm buy',
  takeRecords: 'a part of ddm buy',
  viewPurchase: 'the chart of the page',
  removePurchase: 'for purchases that the node keeps',
  downloadPurchase: 'for purchases that the node keeps, which commands never ask for',
  listProducts: 'for the page: what is on sale now',
  getProduct: 'a part of ddm sell',
  pushRecords: 'a part of ddm sell',
  endProduct: 'a part of ddm sell: Ctrl-C',
  listSelling: 'for the page: sales under way',
  getExposure: 'a part of ddm sessions show',
  listStatements: 'for the page; ddm receipts export has all of them',
  listMoves: 'for the page; ddm channels list says what they came to',
  getBalance: 'a part of ddm wallet show',
  listArrived: 'for the page: what came in'
}

/** Commands that a running node has no part in, and why. */
const WITHOUT_OPERATION: Readonly<Record<string, string>> = {
  start: 'is the node',
  init: 'makes the home that a node needs',
  doctor: 'looks at everything, with whatever answers',
  backup: 'reads the files of the home',
  restore: 'makes a home',
  completion: 'prints itself',
  'receipts verify': 'looks at files',
  'network export': 'reads a file of the home',
  'network join': 'writes a file of the home',
  'network iota': 'writes a file of the home',
  bootstrap: 'is a process of its own',
  chain: 'is a process of its own',
  'iota-ledger': 'is a process of its own',
  deploy: 'talks to a chain',
  demo: 'is processes of its own'
}

/** Flags and arguments whose field has another name. */
const FIELD_OF: Readonly<Record<string, string>> = {
  'search words': 'text',
  'search unconfirmed': 'announced',
  'show listing': 'id',
  'listings pause listing': 'id',
  'listings resume listing': 'id',
  'listings retire listing': 'id',
  'buy check': 'checkSchema',
  'sample check': 'checkSchema',
  'sessions resume session': 'resume',
  'sessions resume check': 'checkSchema',
  'sessions show session': 'id',
  'receipts export session': 'id',
  'follow check': 'checkSchema',
  'follow silent': 'silentMs',
  'follow delay': 'delayMs',
  'sell name': 'title',
  'sell header': 'headers',
  'channels finish channel': 'id',
  'channels refund channel': 'id',
  'channels withdraw channel': 'id'
}

/** The records come to the command, which writes them. */
const SINK = ['output', 'to', 'header', 'append', 'force']

/** Flags that are no field of an operation, because the command does their work. */
const OF_THE_COMMAND: Readonly<Record<string, readonly string[]>> = {
  buy: SINK,
  sample: ['output', 'append', 'force'],
  follow: SINK,
  'sessions resume': ['output', 'to', 'header', 'elsewhere'],
  'receipts export': ['output'],
  // It reads the file of products.
  sell: ['config', 'claimOnClose']
}

/** Fields that no flag sets, and why. */
const OF_PROGRAMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  searchListings: {
    keyword: 'a facet of the page; words find it, too',
    kind: 'a facet of the page; words find it, too',
    license: 'a facet of the page',
    rail: 'a facet of the page',
    status: 'for the page; a person sees what is on sale',
    offset: 'for the page; a person takes a larger --limit'
  },
  setListingStatus: { status: 'the name of the command says it' },
  startPurchase: {
    keep: 'a command is the caller that takes the records',
    mark: 'the sink says it',
    answering: 'for benches: every invoice or the newest'
  },
  startFollowing: {
    window: 'for bots',
    invalid: 'for bots',
    failures: 'for bots',
    resume: 'for bots that go on with a session of before'
  },
  offerProduct: {
    name: 'known of the source',
    finite: 'known of the source',
    fingerprint: 'known of the source',
    invoicing: 'for benches',
    keepLog: 'for the page, which sells a file again'
  }
}

interface Schema {
  type?: string
  properties?: Record<string, Schema>
}

/** Names of the fields; those of parts that are objects instead of the parts. */
function fieldsOf(schema: Schema | undefined): string[] {
  return Object.entries(schema?.properties ?? {}).flatMap(([name, part]) =>
    part.type === 'object' && part.properties !== undefined ? fieldsOf(part) : [name]
  )
}

function allFields({ params, query, ...rest }: (typeof ALL)[number]): string[] {
  const body = 'body' in rest ? rest.body : undefined
  return [params, query, body].flatMap((schema) => fieldsOf(schema as Schema | undefined))
}

/** Names of the arguments and flags of a command. */
function wordsOf(name: string): string[] {
  const { registeredArguments = [], options = [] } = COMMANDS.get(name) ?? {}
  return [...registeredArguments.map((one) => one.name()), ...options.map((one) => one.attributeName())]
}

/** What a command can be told, by the names of fields. */
const saidBy = (name: string): string[] => wordsOf(name).map((word) => FIELD_OF[`${name} ${word}`] ?? word)

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

test('every operation has a command or a reason to have none, and every command an operation', () => {
  const without = ALL.filter((operation) => commandsOf(operation).length === 0).map(({ id }) => id)
  assert.deepEqual(without.toSorted(), Object.keys(WITHOUT_COMMAND).toSorted())
  const named = new Set(ALL.flatMap((operation) => commandsOf(operation)))
  const known = [...named, ...Object.keys(WITHOUT_OPERATION)]
  assert.deepEqual(known.toSorted(), [...COMMANDS.keys()].toSorted())
})

test('what a command can be told is a field of its operation, or the work of the command', () => {
  const excused: string[] = []
  for (const name of new Set(ALL.flatMap((operation) => commandsOf(operation)))) {
    const fields = ALL.filter((operation) => commandsOf(operation).includes(name)).flatMap(allFields)
    for (const word of saidBy(name)) {
      const isOwn = OF_THE_COMMAND[name]?.includes(word) === true
      assert.notEqual(fields.includes(word), isOwn, `ddm ${name}: ${word}`)
      if (isOwn) excused.push(`${name} ${word}`)
    }
  }
  const listed = Object.entries(OF_THE_COMMAND).flatMap(([name, words]) => words.map((word) => `${name} ${word}`))
  assert.deepEqual(listed.toSorted(), excused.toSorted())
})

test('every field of an operation is set by one of its commands, or is for programs', () => {
  for (const operation of ALL) {
    const names = commandsOf(operation)
    if (names.length === 0) continue
    const said = new Set(names.flatMap(saidBy))
    const unsaid = [...new Set(allFields(operation))].filter((field) => !said.has(field))
    assert.deepEqual(unsaid.toSorted(), Object.keys(OF_PROGRAMS[operation.id] ?? {}).toSorted(), operation.id)
  }
})

test('another name of a field is that of a flag or an argument that there is', () => {
  for (const key of Object.keys(FIELD_OF)) {
    const at = key.lastIndexOf(' ')
    assert.ok(wordsOf(key.slice(0, at)).includes(key.slice(at + 1)), key)
  }
})
