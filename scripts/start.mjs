// npm start: a whole market on this machine.
import { runNode } from './setup.mjs'

runNode(['bin/ddm.js', 'demo', ...process.argv.slice(2)])
