import { type AnyEventOperation, type AnyOperation, type AnyRawOperation, commandsOf } from './operation.ts'
import { EVENT_OPERATIONS, OPERATIONS, RAW_OPERATIONS } from './operations/index.ts'
import { ProblemSchema } from './schemas/purchase.ts'
import { strictSchema } from './strict-schema.ts'

const PROBLEM = {
  description: 'what was wrong, and what to do',
  content: { 'application/problem+json': { schema: plain(ProblemSchema) } }
}

/**
 * The API as an OpenAPI 3.1 document, generated from the operations.
 *
 * @example
 * ```ts
 * openApi('1.0.0').paths['/v1/listings']?.get
 * ```
 */
export function openApi(version: string) {
  const paths: Record<string, Record<string, object>> = {}
  const add = (operation: AnyOperation | AnyEventOperation | AnyRawOperation, answer: object): void => {
    const path = operation.path.replace(/:([a-z]+)/g, '{$1}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: described(operation, answer) }
  }
  for (const operation of OPERATIONS) add(operation, { 'application/json': { schema: plain(operation.result) } })
  for (const operation of EVENT_OPERATIONS) {
    const events = Object.entries(operation.events).map(([event, schema]) => [event, plain(schema)])
    add(operation, { 'text/event-stream': { schema: { type: 'string' }, 'x-events': Object.fromEntries(events) } })
  }
  for (const operation of RAW_OPERATIONS) {
    add(operation, Object.fromEntries(operation.raw.map((type) => [type, { schema: { type: 'string' } }])))
  }
  return {
    openapi: '3.1.0',
    info: { title: 'DDM control API', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    security: [{ token: [] }],
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }
  }
}

function described(operation: AnyOperation | AnyEventOperation | AnyRawOperation, content: object): object {
  const { id, summary, params, query } = operation
  const commands = commandsOf(operation).map((command) => `ddm ${command}`)
  const body = 'body' in operation ? operation.body : undefined
  const parameters = [...parametersOf(params, 'path'), ...parametersOf(query, 'query')]
  return {
    operationId: id,
    summary,
    ...(commands.length === 0 ? {} : { 'x-command': commands.join(', ') }),
    ...(operation.path === '/health' ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: strictSchema(body) } } } }),
    responses: { 200: { description: 'done', content }, default: PROBLEM }
  }
}

function parametersOf(schema: object | undefined, where: 'path' | 'query'): object[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = plain(schema) as {
    properties?: Record<string, object>
    required?: string[]
  }
  return Object.entries(properties).map(([name, part]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: part
  }))
}

/** Without the marks that only the code needs. */
function plain(schema: object): object {
  return JSON.parse(JSON.stringify(schema)) as object
}
