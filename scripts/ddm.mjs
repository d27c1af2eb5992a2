// npm run ddm -- COMMAND: the command line of this clone.
import { preparePage } from './page.mjs'
import { install, runNode } from './setup.mjs'

const args = process.argv.slice(2)
install()
// The other commands end by themselves: nobody opens a page for them.
if (args.includes('start')) preparePage()
runNode(['bin/ddm.js', ...args])
