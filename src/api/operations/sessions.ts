import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Type from 'typebox'
import { toJson } from '../json.ts'
import { latest } from '../latest.ts'
import { eventOperation, operation, type ServerEvent } from '../operation.ts'
import { Name } from '../schemas/common.ts'
import {
  BundleSchema,
  ExposureSchema,
  MoveSchema,
  ReceiptSchema,
  RoleFilter,
  SellingSchema,
  SessionEventSchema,
  SessionSchema,
  StateFilter,
  StatementSchema
} from '../schemas/session.ts'
import { every } from '../timing.ts'

const SessionPath = Type.Object({ id: Name })

const TOLD_MS = 500

export const listSessions = operation({
  id: 'listSessions',
  method: 'GET',
  path: '/v1/sessions',
  summary: 'sessions of both roles, as the ledger has them',
  command: 'sessions list',
  result: Type.Array(SessionSchema),
  run: ({ node }, _input, options) => node.sessions.list(options)
})

export const listSelling = operation({
  id: 'listSelling',
  method: 'GET',
  path: '/v1/sessions/selling',
  summary: 'sessions that this node serves now',
  result: Type.Array(SellingSchema),
  run: ({ node }, _input, options) => node.sessions.selling(options)
})

export const watchSessions = eventOperation({
  id: 'watchSessions',
  method: 'GET',
  path: '/v1/sessions/events',
  summary: 'what this node sells and buys, twice a second while it changes',
  events: { sessions: SessionEventSchema },
  run: ({ node, purchases }, _input, { signal }) =>
    latest<ServerEvent>(signal, (push) => {
      let said = ''
      return every(TOLD_MS, async () => {
        const data = { selling: await node.sessions.selling(), purchases: purchases.list().map(toJson) }
        const text = JSON.stringify(toJson(data))
        if (text === said) return
        said = text
        push({ event: 'sessions', data })
      })
    })
})

export const getSession = operation({
  id: 'getSession',
  method: 'GET',
  path: '/v1/sessions/:id',
  summary: 'one session by ID or a unique beginning of it',
  command: 'sessions show',
  params: SessionPath,
  result: SessionSchema,
  run: ({ node }, { params }, options) => node.sessions.get(params.id, options)
})

export const getExposure = operation({
  id: 'getExposure',
  method: 'GET',
  path: '/v1/sessions/:id/exposure',
  summary: 'what this side of a session may lose now',
  params: SessionPath,
  query: RoleFilter,
  result: ExposureSchema,
  run: async ({ node }, { params, query }, options) => {
    const all = await node.sessions.list(options)
    const record = all.find(({ id, role }) => id === params.id && role === (query.role ?? role))
    return node.sessions.exposure(record ?? (await node.sessions.get(params.id, options)), options)
  }
})

export const listStatements = operation({
  id: 'listStatements',
  method: 'GET',
  path: '/v1/sessions/:id/statements',
  summary: 'orders, invoices, receipts: everything that was signed in a session',
  params: SessionPath,
  query: RoleFilter,
  result: Type.Array(StatementSchema),
  run: async ({ node }, { params, query }, options) => {
    const { id, role } = await node.sessions.get(params.id, options)
    const statements = await node.sessions.statements({ id, role: query.role ?? role }, options)
    return statements.map(({ content, ...rest }) => ({ ...rest, content: toJson(content) as Record<string, unknown> }))
  }
})

export const listMoves = operation({
  id: 'listMoves',
  method: 'GET',
  path: '/v1/sessions/:id/moves',
  summary: 'transactions that moved money for a session: deposits and claims of its channel, or its payments',
  params: SessionPath,
  query: RoleFilter,
  result: Type.Array(MoveSchema),
  run: async ({ node }, { params, query }, options) => {
    const { id, role } = await node.sessions.get(params.id, options)
    return node.sessions.moves({ id, role: query.role ?? role }, options)
  }
})

export const listReceipts = operation({
  id: 'listReceipts',
  method: 'GET',
  path: '/v1/receipts',
  summary: 'what sessions delivered and cost',
  command: 'receipts list',
  query: StateFilter,
  result: Type.Array(ReceiptSchema),
  run: ({ node }, { query }, options) => node.receipts.list({ ...query, ...options })
})

export const exportReceipt = operation({
  id: 'exportReceipt',
  method: 'GET',
  path: '/v1/receipts/:id',
  summary: 'the bundle of a session: a CAR file that verifies offline',
  command: 'receipts export',
  params: SessionPath,
  query: RoleFilter,
  result: BundleSchema,
  run: async ({ node }, { params, query }, options) => {
    const folder = await mkdtemp(join(tmpdir(), 'ddm-bundle-'))
    try {
      const file = join(folder, 'session.car')
      const { unproven, disputed } = await node.receipts.export(params.id, file, { ...query, ...options })
      const bundle = (await readFile(file)).toString('base64')
      return {
        bundle,
        ...(unproven === undefined ? {} : { unproven }),
        ...(disputed === undefined ? {} : { disputed })
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
})
