import assert from 'node:assert/strict'
import { chmod, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { privateKeyToAddress } from 'viem/accounts'
import { DdmError } from '../../../src/interface/index.ts'
import { homePaths } from '../../../src/node/home.ts'
import { evmKey } from '../../../src/node/keys/evm-key.ts'
import { type Keys, loadIdentity, loadKeys, passphraseFrom } from '../../../src/node/keys.ts'
import { tempDir } from '../../support/temp-dir.ts'

const PASSPHRASE = 'correct horse battery staple'

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function secretsOf(keys: Keys): Uint8Array[] {
  const { identity, wallet, voucherSigner, receiverAuthorizer } = keys
  return [identity.raw, wallet.privateKey, voucherSigner.privateKey, receiverAuthorizer.privateKey]
}

function code(expected: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DdmError, inspect(error))
    assert.equal(error.code, expected)
    assert.match(error.message, message)
    return true
  }
}

test('addresses are those of viem', async () => {
  // 0x…01 and the first account of the well-known test mnemonic.
  for (const key of [
    '0000000000000000000000000000000000000000000000000000000000000001',
    'ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
  ]) {
    const own = await evmKey(new Uint8Array(Buffer.from(key, 'hex')))
    assert.equal(own?.address, privateKeyToAddress(`0x${key}`).toLowerCase())
  }
  assert.equal(await evmKey(new Uint8Array(32)), undefined)
  assert.equal(await evmKey(new Uint8Array(31).fill(1)), undefined)
})

test('encrypted keys are created once and opened with the passphrase', async (t) => {
  const paths = homePaths(join(await tempDir(t), 'home'))
  const created = await loadKeys(paths, { create: true, passphrase: PASSPHRASE })
  const opened = await loadKeys(paths, { passphrase: PASSPHRASE })
  assert.deepEqual(secretsOf(opened).map(hex), secretsOf(created).map(hex))
  assert.deepEqual(opened.unencrypted, [])
  assert.equal(new Set(secretsOf(opened).map(hex)).size, 4)

  assert.equal((await stat(paths.root)).mode & 0o777, 0o700)
  const files = await readdir(paths.root)
  assert.deepEqual(files.sort(), ['identity.key', 'receiver.json', 'voucher.json', 'wallet.json'])
  const salts = new Set<string>()
  for (const file of files) {
    assert.equal((await stat(join(paths.root, file))).mode & 0o777, 0o600)
    const text = await readFile(join(paths.root, file), 'utf8')
    const { encryption } = JSON.parse(text) as { encryption: { salt: string; nonce: string } }
    salts.add(encryption.salt)
    salts.add(encryption.nonce)
    for (const secret of [...secretsOf(created), privateKeyToProtobuf(created.identity)]) {
      assert.ok(!text.includes(hex(secret)) && !text.includes(Buffer.from(secret).toString('base64')))
    }
  }
  assert.equal(salts.size, 8)
})

test('a wrong passphrase is keyLocked and no message holds key or passphrase', async (t) => {
  const paths = homePaths(await tempDir(t))
  await loadIdentity(paths, { create: true, passphrase: PASSPHRASE })
  await assert.rejects(loadIdentity(paths, { passphrase: 'hunter2hunter2' }), (error: DdmError) => {
    assert.equal(error.code, 'keyLocked')
    assert.ok(!inspect(error).includes('hunter2'))
    return error.message.includes(paths.identity)
  })
  await assert.rejects(loadIdentity(paths), code('keyLocked', /passphrase/))
  await assert.rejects(loadIdentity(paths, { passphrase: '' }), code('keyLocked', /passphrase/))
})

test('a short passphrase is refused for new keys, and nothing is left behind', async (t) => {
  const paths = homePaths(await tempDir(t))
  await assert.rejects(loadIdentity(paths, { create: true, passphrase: 'short' }), code('usage', /at least 8/))
  assert.deepEqual(await readdir(paths.root), [])
})

test('nothing is created unless asked', async (t) => {
  const paths = homePaths(await tempDir(t))
  await assert.rejects(loadKeys(paths, { passphrase: PASSPHRASE }), code('config', /identity\.key does not exist/))
  assert.deepEqual(await readdir(paths.root), [])
})

test('development keys are plain, say so, and are reported', async (t) => {
  const paths = homePaths(await tempDir(t))
  const keys = await loadKeys(paths, { create: true, insecureDevKeys: true })
  assert.deepEqual(keys.unencrypted.toSorted(), [paths.identity, paths.receiver, paths.voucher, paths.wallet].sort())
  assert.match(await readFile(paths.wallet, 'utf8'), /INSECURE DEVELOPMENT KEY/)
  // No passphrase is asked for on the way back.
  assert.equal((await loadKeys(paths)).wallet.address, keys.wallet.address)
})

test('only missing keys are created', async (t) => {
  const paths = homePaths(await tempDir(t))
  const { identity } = await loadIdentity(paths, { create: true, insecureDevKeys: true })
  const keys = await loadKeys(paths, { create: true, passphrase: PASSPHRASE })
  assert.ok(keys.identity.equals(identity))
  assert.deepEqual(keys.unencrypted, [paths.identity])
})

test('concurrent creators agree on one key', async (t) => {
  const paths = homePaths(await tempDir(t))
  const all = await Promise.all(
    Array.from({ length: 8 }, () => loadKeys(paths, { create: true, insecureDevKeys: true }))
  )
  assert.equal(new Set(all.map(({ wallet }) => wallet.address)).size, 1)
  assert.equal(new Set(all.map(({ identity }) => hex(identity.raw))).size, 1)
})

test('a key does not show up in JSON or inspection', async (t) => {
  const { wallet } = await loadKeys(homePaths(await tempDir(t)), { create: true, insecureDevKeys: true })
  assert.equal(JSON.stringify(wallet), JSON.stringify({ address: wallet.address }))
  assert.ok(!inspect(wallet).includes('privateKey'))
})

test('a file that others can read is refused', async (t) => {
  const paths = homePaths(await tempDir(t))
  await loadIdentity(paths, { create: true, insecureDevKeys: true })
  for (const mode of [0o640, 0o604, 0o620, 0o601]) {
    await chmod(paths.identity, mode)
    await assert.rejects(loadIdentity(paths), code('config', /chmod 600/))
  }
  await chmod(paths.identity, 0o400)
  await loadIdentity(paths)
})

test('a symbolic link is refused', async (t) => {
  const paths = homePaths(await tempDir(t))
  await loadIdentity(paths, { create: true, insecureDevKeys: true })
  await rename(paths.identity, join(paths.root, 'elsewhere'))
  await symlink('elsewhere', paths.identity)
  await assert.rejects(loadIdentity(paths), code('config', /symbolic link/))
})

test('one key file cannot pass as another, nor with a changed header', async (t) => {
  const paths = homePaths(await tempDir(t))
  await loadKeys(paths, { create: true, passphrase: PASSPHRASE })
  const wallet = await readFile(paths.wallet, 'utf8')
  await writeFile(paths.voucher, wallet)
  await assert.rejects(loadKeys(paths, { passphrase: PASSPHRASE }), code('config', /holds a wallet key/))
  await writeFile(paths.voucher, wallet.replace('"wallet"', '"voucher"'))
  await assert.rejects(loadKeys(paths, { passphrase: PASSPHRASE }), code('keyLocked', /voucher\.json/))
})

test('an unencrypted file whose key is not the one it names is refused', async (t) => {
  const paths = homePaths(await tempDir(t))
  const { wallet, voucherSigner } = await loadKeys(paths, { create: true, insecureDevKeys: true })
  const text = await readFile(paths.wallet, 'utf8')
  await writeFile(paths.wallet, text.replace(wallet.address, voucherSigner.address))
  await assert.rejects(loadKeys(paths), code('config', /holds another/))
})

test('damaged and hostile files are refused without quoting them', async (t) => {
  const paths = homePaths(await tempDir(t))
  await loadIdentity(paths, { create: true, passphrase: PASSPHRASE })
  const good = await readFile(paths.identity, 'utf8')
  const file = JSON.parse(good) as { encryption: Record<string, unknown>; secret: string }
  const damaged: Array<[string, RegExp]> = [
    ['', /not JSON/],
    [good.slice(0, -40), /not JSON/],
    ['null', /not an object/],
    ['x'.repeat(9000), /not a key file/],
    [JSON.stringify({ ...file, v: 2 }), /v is not 1/],
    [JSON.stringify({ ...file, secret: '***' }), /secret is not base64/],
    [JSON.stringify({ ...file, encryption: { ...file.encryption, N: 2 ** 30 } }), /scrypt N is not in/],
    [JSON.stringify({ ...file, encryption: { ...file.encryption, N: 30_000 } }), /power of two/],
    [JSON.stringify({ ...file, encryption: { ...file.encryption, r: 1e9 } }), /scrypt r is not in/],
    [JSON.stringify({ ...file, encryption: { ...file.encryption, nonce: 'AAAA' } }), /nonce is not 12 bytes/]
  ]
  for (const [text, message] of damaged) {
    await writeFile(paths.identity, text)
    await assert.rejects(loadIdentity(paths, { passphrase: PASSPHRASE }), (error: DdmError) => {
      assert.ok(!inspect(error).includes(file.secret))
      return code('config', message)(error)
    })
  }
  await writeFile(
    paths.identity,
    good.replace(file.secret.slice(0, 4), file.secret.slice(0, 4) === 'AAAA' ? 'BBBB' : 'AAAA')
  )
  await assert.rejects(loadIdentity(paths, { passphrase: PASSPHRASE }), code('keyLocked', /damaged/))
})

test('the passphrase comes from the variable, the file or the prompt, in this order, and is asked for once', async (t) => {
  const file = join(await tempDir(t), 'secret')
  await writeFile(file, 'from the file\r\n')
  let asked = 0
  const prompt = async (): Promise<string> => `answer ${++asked}`

  const both = passphraseFrom({ env: { DDM_PASSPHRASE: 'direct', DDM_PASSPHRASE_FILE: file }, prompt })
  assert.equal(await both('open'), 'direct')
  assert.equal(await passphraseFrom({ env: { DDM_PASSPHRASE_FILE: file }, prompt })('open'), 'from the file')
  const asking = passphraseFrom({ env: {}, prompt })
  assert.deepEqual(await Promise.all([asking('create'), asking('open')]), ['answer 1', 'answer 1'])
  assert.equal(asked, 1)

  await assert.rejects(passphraseFrom({ env: {} })('open'), code('keyLocked', /DDM_PASSPHRASE_FILE/))
  const missing = passphraseFrom({ env: { DDM_PASSPHRASE_FILE: `${file}.not` } })
  await assert.rejects(missing('open'), code('keyLocked', /ENOENT/))
  await writeFile(file, '\n')
  await assert.rejects(passphraseFrom({ env: { DDM_PASSPHRASE_FILE: file } })('open'), code('keyLocked', /empty/))
})
