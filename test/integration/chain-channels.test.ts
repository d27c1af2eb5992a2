import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { encodeAbiParameters, encodeFunctionData, hashTypedData, keccak256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { channelEscrowAbi } from '../../src/chain/abi.ts'
import type { Chain } from '../../src/chain/index.ts'
import type { ChannelConfig, DepositAuthorization, Hex, VoucherClaim } from '../../src/interface/index.ts'
import { accountAt, bytes32, startMarket } from './chain-fixture.ts'

const PAYER = 1
const SELLER = 2
const CONFIG_TYPE = [
  { name: 'payer', type: 'address' },
  { name: 'payerAuthorizer', type: 'address' },
  { name: 'receiver', type: 'address' },
  { name: 'receiverAuthorizer', type: 'address' },
  { name: 'token', type: 'address' },
  { name: 'withdrawDelay', type: 'uint40' },
  { name: 'salt', type: 'bytes32' }
] as const
const VOUCHER_TYPE = [
  { name: 'channelId', type: 'bytes32' },
  { name: 'maxClaimableAmount', type: 'uint128' }
] as const

/** A payer with tokens, and what he signs; a seller who sends everything. */
async function startChannels(t: TestContext, changes: { confirmations?: number } = {}) {
  const market = await startMarket(t)
  const { profile, accounts } = market
  const payer = privateKeyToAccount(accountAt(accounts, PAYER).privateKey)
  const payerAddress = accountAt(accounts, PAYER).address
  const seller = await market.connectAs(SELLER, changes)
  const channels = channelsOf(seller)
  await seller.faucet?.(payerAddress, { token: 1_000_000n })
  const domain = {
    name: 'x402 Batch Settlement',
    version: '1',
    chainId: 31337,
    verifyingContract: profile.contracts.escrow
  }

  function config(salt: number): ChannelConfig {
    const [payer, receiver] = [payerAddress, channels.account]
    const parties = { payer, payerAuthorizer: payer, receiver, receiverAuthorizer: receiver }
    return { ...parties, token: channels.token.address, withdrawDelay: 3600, salt: bytes32(salt) }
  }
  function idOf(channel: ChannelConfig): Hex {
    return hashTypedData({
      domain,
      types: { ChannelConfig: CONFIG_TYPE },
      primaryType: 'ChannelConfig',
      message: channel
    })
  }
  function nonceOf(channel: ChannelConfig, salt = 1n): Hex {
    return keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [idOf(channel), salt]))
  }
  async function authorization(channel: ChannelConfig, amount: bigint, salt = 1n): Promise<DepositAuthorization> {
    const { address, name, version } = channels.token
    const nonce = nonceOf(channel, salt)
    const collector = channels.eip3009Collector
    const validBefore = 1n << 40n
    const signature = await payer.signTypedData({
      domain: { name, version, chainId: 31337, verifyingContract: address },
      types: {
        ReceiveWithAuthorization: [
          { name: 'from', type: 'address' },
          { name: 'to', type: 'address' },
          { name: 'value', type: 'uint256' },
          { name: 'validAfter', type: 'uint256' },
          { name: 'validBefore', type: 'uint256' },
          { name: 'nonce', type: 'bytes32' }
        ]
      },
      primaryType: 'ReceiveWithAuthorization',
      message: { from: payerAddress, to: collector, value: amount, validAfter: 0n, validBefore, nonce }
    })
    const types = [{ type: 'uint256' }, { type: 'uint256' }, { type: 'uint256' }, { type: 'bytes' }] as const
    return { amount, collector, data: encodeAbiParameters(types, [0n, validBefore, salt, signature]) }
  }
  async function claim(channel: ChannelConfig, maximum: bigint, totalClaimed = maximum): Promise<VoucherClaim> {
    const channelId = idOf(channel)
    const signature = await payer.signTypedData({
      domain,
      types: { Voucher: VOUCHER_TYPE },
      primaryType: 'Voucher',
      message: { channelId, maxClaimableAmount: maximum }
    })
    return { config: channel, voucher: { channelId, maxClaimableAmount: maximum, signature }, totalClaimed }
  }
  return { ...market, payerAddress, seller, channels, config, idOf, nonceOf, authorization, claim }
}

function channelsOf(chain: Chain) {
  assert.ok(chain.channels, 'a chain with a wallet has channels')
  return chain.channels
}

test('deposit without gas, claim, settle: the seller has what the vouchers say', async (t) => {
  const { channels, seller, payerAddress, config, idOf, authorization, claim } = await startChannels(t)
  const channel = config(1)
  const id = idOf(channel)
  const empty = { balance: 0n, unconfirmed: 0n, totalClaimed: 0n, pendingWithdrawal: 0n, finalizeAfter: 0n }
  assert.deepEqual(await channels.channel(id), empty)

  await channels.deposit(channel, await authorization(channel, 1000n))
  assert.deepEqual(await channels.channel(id), { ...empty, balance: 1000n })
  assert.equal(await channels.tokenBalance(payerAddress), 999_000n)
  assert.equal(await channels.settle(channels.account, channel.token), undefined)

  const good = await claim(channel, 400n)
  assert.equal(await channels.simulateClaim([good]), undefined)
  const claimed = await channels.claim([good])
  assert.match(claimed, /^0x[0-9a-f]{64}$/)
  assert.match((await channels.settle(channels.account, channel.token)) ?? '', /^0x[0-9a-f]{64}$/)
  assert.equal(await channels.settle(channels.account, channel.token), undefined)
  assert.deepEqual(await channels.channel(id), { ...empty, balance: 1000n, totalClaimed: 400n })
  assert.equal(await seller.tokenBalance(channels.account), 400n)
  await channels.deposit(config(2), await authorization(config(2), 5n))
  const moves = await seller.channelMoves(id, 0)
  assert.deepEqual(
    moves.map(({ kind, amount }) => [kind, amount]),
    [
      ['deposit', 1000n],
      ['claim', 400n]
    ]
  )
  assert.equal(moves[1]?.transaction, claimed)
  assert.ok(moves.every(({ at }) => Math.abs(at - Date.now()) < 120_000))
  const now = Date.now() / 1000
  assert.ok(Math.abs(Number(await channels.timestamp()) - now) < 120)
})

test('a claim of 200 vouchers goes through in one transaction; one bad row names itself', async (t) => {
  const { channels, config, idOf, authorization, claim } = await startChannels(t)
  const all = Array.from({ length: 200 }, (_, salt) => config(salt))
  await Promise.all(all.map(async (channel) => channels.deposit(channel, await authorization(channel, 10n))))
  const claims = await Promise.all(all.map((channel) => claim(channel, 7n)))
  const bad = await claim(config(13), 11n)
  const spoiled = claims.with(13, bad)
  const reason = `ClaimExceedsBalance(channelId ${idOf(config(13))}, totalClaimed 11, balance 10)`
  assert.equal(await channels.simulateClaim(spoiled), reason)
  await assert.rejects(channels.claim(spoiled), {
    code: 'chain',
    message: `claiming 200 vouchers: the contract refused: ${reason}`
  })
  await channels.claim(claims)
  assert.equal((await channels.channel(idOf(config(199)))).totalClaimed, 7n)
})

test('deposits that may not go through are refused with the reason', async (t) => {
  const { channels, config, authorization } = await startChannels(t)
  const deposit = await authorization(config(1), 50n)
  const collector = '0x00000000000000000000000000000000000000dd'
  await assert.rejects(channels.deposit(config(1), { ...deposit, collector }), {
    code: 'refused',
    message: /collector 0x0+dd, which is none of this network's/
  })
  // The authorization names the channel: nobody moves it into another one.
  await assert.rejects(channels.deposit(config(2), deposit), {
    code: 'chain',
    message: /InvalidAuthorizationSignature\(authorizer 0x70997970/
  })
  await assert.rejects(channels.deposit(config(1), await authorization(config(1), 2_000_000n)), {
    code: 'chain',
    message: /ERC20InsufficientBalance\(sender 0x70997970.*balance 1000000, needed 2000000\)/
  })
  await channels.deposit(config(1), deposit)
  await assert.rejects(channels.deposit(config(1), deposit), { code: 'chain', message: /AuthorizationUsedOrCanceled/ })
})

test('a withdrawal is seen with the time from which it may be taken', async (t) => {
  const { channels, connectAs, profile, config, idOf, authorization, rpc } = await startChannels(t)
  const channel = config(1)
  await channels.deposit(channel, await authorization(channel, 1000n))
  await rpc('anvil_mine', ['0x64', '0x3c'])
  const payer = await connectAs(PAYER)
  const mined = await payer.transactions?.send({
    label: 'withdrawing',
    to: profile.contracts.escrow,
    data: encodeFunctionData({ abi: channelEscrowAbi, functionName: 'initiateWithdraw', args: [channel, 300n] })
  })
  const block = await payer.registry.block(mined?.blockHash ?? '0x')
  await rpc('anvil_mine', ['0x64', '0x3c'])
  const expected = {
    balance: 1000n,
    unconfirmed: 0n,
    totalClaimed: 0n,
    pendingWithdrawal: 300n,
    finalizeAfter: (block?.timestamp ?? 0n) + 3600n
  }
  assert.deepEqual(await channels.channel(idOf(channel)), expected)
  const both = [channel, config(2)].map((one) => ({ channelId: idOf(one), config: one }))
  const [known, unknown] = await channels.channelStates(both)
  assert.deepEqual(known, expected)
  assert.deepEqual(unknown, { ...expected, balance: 0n, pendingWithdrawal: 0n, finalizeAfter: 0n })
})

test('a deposit and the use of its nonce count at confirmation depth, a withdrawal at once', async (t) => {
  const { channels, connectAs, payerAddress, profile, config, idOf, nonceOf, authorization, rpc } = await startChannels(
    t,
    {
      confirmations: 3
    }
  )
  const channel = config(1)
  const isUsed = (): Promise<boolean> => channels.isAuthorizationUsed(payerAddress, nonceOf(channel))
  const payer = await connectAs(PAYER)
  const deposit = channels.deposit(channel, await authorization(channel, 1000n))
  const atOnce = channelsOf(payer)
  while ((await atOnce.channel(idOf(channel))).balance === 0n) await new Promise((resolve) => setTimeout(resolve, 10))
  const { balance: counted, unconfirmed } = await channels.channel(idOf(channel))
  assert.deepEqual([counted, unconfirmed, await isUsed()], [0n, 1000n, false])
  await rpc('anvil_mine', ['0x3'])
  await deposit
  assert.equal((await channels.channel(idOf(channel))).balance, 1000n)
  assert.equal(await isUsed(), true)
  await payer.transactions?.send({
    label: 'withdrawing',
    to: profile.contracts.escrow,
    data: encodeFunctionData({ abi: channelEscrowAbi, functionName: 'initiateWithdraw', args: [channel, 300n] })
  })
  const { balance, pendingWithdrawal } = await channels.channel(idOf(channel))
  assert.deepEqual([balance, pendingWithdrawal], [1000n, 300n])
})
