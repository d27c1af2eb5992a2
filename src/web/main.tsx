import { render } from 'preact'
import { App } from './app.tsx'
import { takeToken } from './client/token.ts'
import { startRouter } from './router.ts'
import 'uplot/dist/uPlot.min.css'
import './style.css'

takeToken()
// An address with a token, opened in a tab that shows the page already, only changes the fragment.
window.addEventListener('hashchange', () => {
  if (location.hash.startsWith('#token=')) takeToken()
})
startRouter()
const root = document.getElementById('page')
if (root !== null) render(<App />, root)
