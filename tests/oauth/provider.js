// A real OAuth 2 provider on loopback that stands in for two platforms: X, with a proof of the code
// (PKCE) that it insists on and an app that says who it is in a header, and LinkedIn, without a
// proof and with the app's secret in the form. Refresh tokens are good for one refresh; who uses
// one twice loses the whole consent.
//
// Prints one line of JSON when it answers, and stops when its standard input ends, so that a test
// which dies leaves nothing behind. A person who consents is whoever `login_hint` names.

import { createServer } from 'node:http'
import { Provider } from 'oidc-provider'

// That it keeps nothing and uses keys of its own is as it should be here.
console.info = console.warn = () => {}

const X_SCOPES = ['tweet.read', 'tweet.write', 'users.read', 'offline.access', 'media.write']
const LINKEDIN_SCOPES = ['openid', 'profile', 'w_member_social']

const app = (platform, client_id, token_endpoint_auth_method) => ({
  client_id,
  client_secret: `${client_id} s3cret/+%`,
  token_endpoint_auth_method,
  // An app of this type may be sent back to any port of loopback.
  application_type: 'native',
  redirect_uris: [`http://127.0.0.1/v1/accounts/oauth/${platform}/callback`],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
})

const server = createServer()
await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
const base = `http://127.0.0.1:${server.address().port}`

const provider = new Provider(base, {
  clients: [
    app('twitter', 'x-app', 'client_secret_basic'),
    app('linkedin', 'linkedin-app', 'client_secret_post'),
  ],
  scopes: [...new Set([...X_SCOPES, ...LINKEDIN_SCOPES])],
  claims: { openid: ['sub'], profile: ['name'] },
  cookies: { keys: ['a key of a test'] },
  conformIdTokenClaims: false,
  pkce: { required: (_, client) => client.clientId === 'x-app' },
  features: { devInteractions: { enabled: false } },
  ttl: { AccessToken: 3600, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600 },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  interactions: { url: (_, interaction) => `/consent/${interaction.uid}` },
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, name: `${id} of the test` }),
  }),
  // Whoever signs in has consented to everything.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    })
    grant.addOIDCScope([...X_SCOPES, ...LINKEDIN_SCOPES].join(' '))
    await grant.save()
    return grant
  },
})

// What was asked of the token address, by account and kind; refusals by kind alone.
const counts = {}
const count = (name) => (counts[name] = (counts[name] ?? 0) + 1)
// The consents of each account, so that they can be withdrawn.
const consents = {}
provider.on('grant.success', (ctx) => {
  const { accountId } = ctx.oidc.account
  count(`${accountId} ${ctx.oidc.params.grant_type}`)
  ;(consents[accountId] ??= []).push(ctx.oidc.entities.Grant.jti)
})
provider.on('grant.error', (ctx, problem) => {
  count(`${problem.error} ${ctx.oidc.params?.grant_type}`)
})

provider.use(async (ctx, next) => {
  if (ctx.path.startsWith('/consent/')) {
    const { params } = await provider.interactionDetails(ctx.req, ctx.res)
    const login = { accountId: params.login_hint ?? 'ada' }
    if (params.login_hint === 'nobody') {
      const result = { error: 'access_denied', error_description: 'nobody consents' }
      return provider.interactionFinished(ctx.req, ctx.res, result)
    }
    return provider.interactionFinished(ctx.req, ctx.res, { login, consent: {} })
  }
  // The identity as X gives it.
  if (ctx.path === '/2/users/me') {
    const token = await provider.AccessToken.find((ctx.get('authorization') || '').slice(7))
    if (!token) {
      ctx.status = 401
      ctx.body = { title: 'Unauthorized' }
      return
    }
    ctx.body = { data: { id: `x-${token.accountId}`, username: token.accountId, name: 'A name' } }
    return
  }
  if (ctx.path === '/counts') {
    ctx.body = counts
    return
  }
  // The person withdraws their consent to everything.
  if (ctx.path.startsWith('/withdraw/')) {
    for (const id of consents[ctx.path.slice('/withdraw/'.length)] ?? []) {
      await (await provider.Grant.find(id))?.destroy()
    }
    ctx.status = 204
    return
  }
  await next()
})
provider.on('server_error', (_, problem) => console.error(problem))

server.on('request', provider.callback())
console.log(JSON.stringify({ base }))

// A test that ends, or dies, closes our standard input.
process.stdin.on('end', () => process.exit(0)).resume()
