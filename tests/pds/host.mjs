// A real PDS and PLC directory on loopback. Prints one line of JSON, then serves until stdin ends.
import { TestNetworkNoAppView } from '@atproto/dev-env'

const network = await TestNetworkNoAppView.create({})
const pds = network.pds.url
const call = async (method, token, body) => {
  const headers = { 'content-type': 'application/json' }
  if (token) headers.authorization = `Bearer ${token}`
  const answer = await fetch(`${pds}/xrpc/${method}`, {
    method: 'POST', headers, body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}
const account = async (name) => {
  const made = await call('com.atproto.server.createAccount', null, {
    handle: `${name}.test`, email: `${name}@example.com`, password: `${name}-own-password`,
  })
  const app = await call('com.atproto.server.createAppPassword', made.accessJwt, { name: 'fanfare' })
  return { handle: made.handle, did: made.did, appPassword: app.password }
}
const accounts = [await account('alice'), await account('bob')]
console.log(JSON.stringify({ pdsUrl: pds, accounts }))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
