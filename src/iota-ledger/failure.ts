/** What is wrong with an argument of a command, as effects name it. */
export type ArgumentFault =
  | { TypeMismatch: true }
  | { InvalidBCSBytes: true }
  | { InvalidUsageOfPureArg: true }
  | { InvalidGasCoinUsage: true }
  | { InvalidValueUsage: true }
  | { IndexOutOfBounds: { idx: number } }
  | { SecondaryIndexOutOfBounds: { resultIdx: number; secondaryIdx: number } }
  | { InvalidResultArity: { resultIdx: number } }

export type FailureStatus =
  | { InsufficientGas: true }
  | { InsufficientCoinBalance: true }
  | { CommandArgumentError: { argIdx: number; kind: ArgumentFault } }
  | { UnusedValueWithoutDrop: { resultIdx: number; secondaryIdx: number } }

/** Why a transaction that was carried out moved nothing. */
export interface Failure {
  status: FailureStatus
  /** Of the command that failed; a failure of the whole has none. */
  command: number | undefined
}

/** Ends the run of a program: its gas is charged, the rest is undone. */
export class ProgramFailed extends Error {
  readonly status: FailureStatus

  constructor(status: FailureStatus) {
    super(debugText(status))
    this.name = 'ProgramFailed'
    this.status = status
  }
}

export function argumentFailed(argIdx: number, kind: ArgumentFault): ProgramFailed {
  return new ProgramFailed({ CommandArgumentError: { argIdx, kind } })
}

/** As a node prints it in `effects.status.error`. */
export function failureText({ status, command }: Failure): string {
  return command === undefined ? debugText(status) : `${debugText(status)} in command ${command}`
}

/** `{ IndexOutOfBounds: { idx: 3 } }` is printed `IndexOutOfBounds { idx: 3 }`. */
function debugText(value: object): string {
  const [name = '', content] = Object.entries(value)[0] ?? []
  if (typeof content !== 'object' || content === null) return name
  const fields = Object.entries(content).map(([field, inner]: [string, unknown]) => {
    return `${snakeCase(field)}: ${typeof inner === 'object' && inner !== null ? debugText(inner) : String(inner)}`
  })
  return `${name} { ${fields.join(', ')} }`
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
