// A real Bluesky PDS and PLC directory on loopback, with accounts to publish from.
//
// Prints one line of JSON when all of it answers, and stops when its standard input ends, so that
// a test which dies leaves nothing behind. What a test cannot wait for is done through the control
// address: let the host's clock run ahead, forget every session, count and edit records.

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Everything the host keeps lies below one folder, which goes with the process. Set before
// anything else is loaded: the packages ask for the place of scratch files.
const scratch = mkdtempSync(join(tmpdir(), 'fanfare-pds-'))
process.env.TMPDIR = scratch
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

// The host's clock: ours, plus what a test added. Set before anything else is loaded.
const RealDate = Date
let ahead = 0
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + ahead)
    else super(...parts)
  }
  static now() {
    return RealDate.now() + ahead
  }
}

const { TestNetworkNoAppView } = await import('@atproto/dev-env')

const network = await TestNetworkNoAppView.create({})
const accounts = []
for (const name of ['ada', 'grace', 'edna']) {
  const agent = network.pds.getAgent()
  const handle = `${name}.test`
  const made = await agent.createAccount({
    email: `${name}@example.com`,
    handle,
    password: `${name}-main-password`,
  })
  const app = await agent.com.atproto.server.createAppPassword({ name: 'fanfare' })
  accounts.push({ handle, did: made.data.did, appPassword: app.data.password })
}

const commands = {
  // Every access token handed out so far is over; refresh tokens live on.
  '/expire-access': async () => {
    ahead += 3 * 3600 * 1000
  },
  // Every refresh token is gone as well, as after a sign-out everywhere.
  '/forget-sessions': async () => {
    ahead += 3 * 3600 * 1000
    await network.pds.ctx.accountManager.db.db.deleteFrom('refresh_token').execute()
  },
}

// Edna goes by another name; the old one is nobody's.
commands['/rename-edna'] = async () => {
  const agent = network.pds.getAgent()
  await agent.login({ identifier: accounts[2].did, password: 'edna-main-password' })
  await agent.com.atproto.identity.updateHandle({ handle: 'edna-renamed.test' })
}

const control = createServer(async (request, response) => {
  const command = commands[request.url]
  let status = command ? 204 : 404
  try {
    await command?.()
  } catch (problem) {
    status = 500
    console.error(problem)
  }
  response.writeHead(status, { connection: 'close' }).end()
})
await new Promise((ready) => control.listen(0, '127.0.0.1', ready))

const pdsUrl = `http://localhost:${network.pds.port}`
const controlUrl = `http://127.0.0.1:${control.address().port}`
const plcUrl = `http://localhost:${network.plc.port}`
console.log(JSON.stringify({ pdsUrl, plcUrl, controlUrl, accounts }))

// A test that ends, or dies, closes our standard input.
process.stdin.on('end', () => process.exit(0)).resume()
