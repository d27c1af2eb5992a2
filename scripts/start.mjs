// npm start: a whole market on this machine.
import { preparePage } from './page.mjs'
import { install, runNode } from './setup.mjs'

install()
preparePage()
runNode(['bin/ddm.js', 'demo', ...process.argv.slice(2)])
