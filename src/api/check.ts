import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { TSchema } from 'typebox'
import { strictSchema } from './strict-schema.ts'

/** What is wrong with a value that somebody gives, first of all. */
export interface Fault {
  /** `.product.credit`; empty for the value itself. */
  at: string
  /** `must be string` */
  what: string
  /** What stands there. */
  value: unknown
}

/** Text is turned into what a query means; a body has to say it. */
const AJV = {
  query: new Ajv({ coerceTypes: true, strict: false, verbose: true }),
  body: new Ajv({ strict: false, verbose: true })
}

/** What holds values against the schema of what may be said. */
export function checker(schema: TSchema, as: keyof typeof AJV): (value: unknown) => Fault | undefined {
  // Compiled when it is needed first: few of them ever are, and all of them would take a tenth of a node's start and more.
  let compiled: ValidateFunction | undefined
  return (value) => {
    compiled ??= AJV[as].compile(strictSchema(schema))
    return compiled(value) ? undefined : faultOf(compiled)
  }
}

function faultOf({ errors }: ValidateFunction): Fault {
  const tried = (errors ?? []).filter(({ keyword }) => keyword !== 'anyOf')
  const [first] = tried.sort((a, b) => closeness(b) - closeness(a))
  if (first === undefined) return { at: '', what: 'is not as it should be', value: undefined }
  const { additionalProperty, allowedValues } = first.params as {
    additionalProperty?: string
    allowedValues?: string[]
  }
  const named = additionalProperty === undefined ? '' : ` ("${additionalProperty}")`
  const allowed = allowedValues === undefined ? '' : `: ${allowedValues.join(', ')}`
  return {
    at: first.instancePath.replaceAll('/', '.'),
    what: `${first.message}${named}${allowed}`,
    value: first.data
  }
}

/** Where a value may have several shapes, the one is meant that it comes closest to. */
function closeness({ instancePath, keyword }: ErrorObject): number {
  return 2 * instancePath.length + Number(keyword !== 'type')
}
