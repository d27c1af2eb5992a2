import type { BuyerGate, BuyerRequest } from '../../interface/index.ts'
import { SdppError, STATUS } from './status.ts'

/** The seller's side of access: what the gate says becomes a status. Without a gate everybody is served. */
export async function admit(gate: BuyerGate | undefined, request: BuyerRequest, signal: AbortSignal): Promise<void> {
  const refusal = await gate?.admits(request, { signal })
  if (refusal !== undefined) throw new SdppError(STATUS[refusal.status], refusal.text)
}
