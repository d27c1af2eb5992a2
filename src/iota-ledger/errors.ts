/** A refusal as a node's JSON-RPC says it. */
export class RpcError extends Error {
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.name = 'RpcError'
    this.code = code
    this.data = data
  }
}

export const PARSE_ERROR = -32_700
export const INVALID_REQUEST = -32_600
export const METHOD_NOT_FOUND = -32_601
export const INVALID_PARAMS = -32_602
export const INTERNAL_ERROR = -32_603
/** Validators refuse the transaction: it is not carried out and costs nothing. */
const TRANSACTION_REFUSED = -32_002

/** Texts as in iota-types `error.rs`: the SDK's users tell cases apart by them. */
export function refused(problem: string): RpcError {
  return new RpcError(
    TRANSACTION_REFUSED,
    `Transaction execution failed due to issues with transaction inputs, please review the errors and try again:\n- ${problem}`
  )
}

export function sizeExceeded(limit: string, value: number): RpcError {
  return refused(`Size limit exceeded: ${limit} is ${value}`)
}

export function invalidSignature(problem: string): RpcError {
  return new RpcError(TRANSACTION_REFUSED, `Invalid user signature: ${problem}`)
}

/** Another transaction has the coin: a payer has to wait for that one, and never sends both. */
export function reserved(transaction: string, coins: readonly unknown[]): RpcError {
  return new RpcError(
    TRANSACTION_REFUSED,
    `Failed to sign transaction by a quorum of validators because one or more of its objects is reserved for another transaction. Other transactions locking these objects:\n- ${transaction} (stake 100.0)`,
    { [transaction]: coins }
  )
}

export function invalidParams(problem: string): RpcError {
  return new RpcError(INVALID_PARAMS, 'Invalid params', problem)
}

export function unknownTransaction(digest: string): RpcError {
  return new RpcError(INVALID_PARAMS, `Could not find the referenced transaction [TransactionDigest(${digest})].`)
}

export function unsupported(feature: string): RpcError {
  return new RpcError(INVALID_REQUEST, `Unsupported Feature: ${feature}`)
}
