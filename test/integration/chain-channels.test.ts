import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeChannelId, signVoucher } from '@x402/evm/batch-settlement/client'
import { encodeAbiParameters, keccak256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { Chain } from '../../src/chain/index.ts'
import type { ChannelChain, ChannelConfig, DepositAuthorization, Hex, VoucherClaim } from '../../src/interface/index.ts'
import { accountAt, bytes32, type Market, startMarket } from './chain-fixture.ts'

function channelsOf(chain: Chain): ChannelChain {
  assert.ok(chain.channels)
  return chain.channels
}
