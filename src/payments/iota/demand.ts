import type { Demand, Gas } from '../../interface/index.ts'
import { readAnyStatement, type Statement } from '../../statements/index.ts'

/** What a payment is to bring its session to at least, and the coin that the seller offers for the fee of it. */
export interface Asked {
  asked: bigint
  gas: Gas | undefined
}

/** Of an INVOICE or ACCEPT. What an ACCEPT asks for in a session that goes on depends on where the buyer stands: more than was credited. */
export function readDemand({ payload, signature }: Demand): Asked {
  const { kind, content } = readAnyStatement(payload, signature)
  if (kind === 'invoice') {
    const { due, gas } = content as Statement<'invoice'>
    return { asked: due, gas }
  }
  const { ahead, credited = 0n, gas } = content as Statement<'accept'>
  return { asked: credited === 0n ? ahead : credited, gas }
}
