/** A refusal as a node's JSON-RPC says it. */
export class RpcError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.name = 'RpcError'
    this.code = code
  }
}

export const INVALID_PARAMS = -32_602
export const METHOD_NOT_FOUND = -32_601
/** Validators refuse the transaction: it is not carried out and costs nothing. */
export const TRANSACTION_REFUSED = -32_002

export function refused(problem: string): RpcError {
  return new RpcError(
    TRANSACTION_REFUSED,
    `Transaction execution failed due to issues with transaction inputs, please review the errors and try again: ${problem}.`
  )
}
