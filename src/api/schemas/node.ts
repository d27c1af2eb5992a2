import Type from 'typebox'
import type { NetworkProfile } from '../../interface/index.ts'
import { AddressText, OneOf } from './common.ts'

export const NodeSchema = Type.Object({
  version: Type.String(),
  peerId: Type.String(),
  account: AddressText,
  home: Type.String(),
  addresses: Type.Array(Type.String(), { description: 'what others are told' }),
  unconfirmedAddresses: Type.Array(Type.String(), { description: 'public ones that nobody has dialled back yet' }),
  profile: Type.Unsafe<NetworkProfile>({ type: 'object', description: 'network profile' }),
  startedAt: Type.Number({ description: 'Unix ms' }),
  pid: Type.Integer()
})

export const HealthSchema = Type.Object({ status: OneOf('ok', 'stopping'), uptime: Type.Number({ description: 's' }) })

export const PeerSchema = Type.Object({
  peerId: Type.String(),
  address: Type.String(),
  direction: OneOf('inbound', 'outbound'),
  since: Type.Number({ description: 'Unix ms' }),
  limited: Type.Boolean({ description: 'through a relay' })
})

export const Empty = Type.Object({})
