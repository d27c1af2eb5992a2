// npm run chaos: kills processes that are built as the program is, which start in half the time.
import { install, runNode } from './setup.mjs'

install()
const { buildPeers } = await import('./program.mjs')
process.env.TEST_PEERS = await buildPeers()
runNode(['test/chaos/main.ts', ...process.argv.slice(2)])
