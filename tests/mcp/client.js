// A client of the MCP server, as agents have it. Each line of standard input is a request
// `{ "list": true }` or `{ "name", "arguments", "meta" }`; each line of output is what came of it.

import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, key] = process.argv.slice(2);
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const client = new Client({ name: "fanfare-tests", version: "0.0.0" });
const headers = { Authorization: `Bearer ${key}` };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
try {
  await client.connect(transport);
} catch (error) {
  say({ refused: String(error) });
  process.exit(0);
}
say({
  server: client.getServerVersion(),
  capabilities: client.getServerCapabilities(),
  instructions: client.getInstructions(),
  version: transport.protocolVersion,
});

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  try {
    if (asked.list) {
      say(await client.listTools());
    } else if (asked.ping) {
      say(await client.ping());
    } else {
      const { name, arguments: args, meta } = asked;
      say(await client.callTool({ name, arguments: args, _meta: meta }));
    }
  } catch (error) {
    say({ failed: String(error) });
  }
}
await client.close();
