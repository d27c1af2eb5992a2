import type { BuyerGate, BuyerRefusal, BuyerRequest } from '../../interface/index.ts'
import { SdppError, STATUS } from './status.ts'

/** The seller's side of access: what the gate says becomes a status. Without a gate everybody is served. */
export async function admit(gate: BuyerGate | undefined, request: BuyerRequest, signal: AbortSignal): Promise<void> {
  refuse(await gate?.admits(request, { signal }))
}

/**
 * Whoever names an account in a channel proves it only by a deposit: the collectors take none without that account's
 * signature over the channel. Without channels the account itself has signed the order.
 */
export function enter(
  gate: BuyerGate | undefined,
  { account, ...request }: BuyerRequest,
  isProved: boolean,
  signal: AbortSignal
): void {
  refuse(gate?.enters(isProved && account !== undefined ? { ...request, account } : request, { signal }))
}

function refuse(refusal: BuyerRefusal | undefined): void {
  if (refusal !== undefined) throw new SdppError(STATUS[refusal.status], refusal.text)
}
