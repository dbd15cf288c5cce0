// Checks one delivery a line: `{library, secret, headers, body}` with the body in base64. Answers
// each with a line: `{"ok": true}`, or `{"ok": false, "why": "..."}`.

import readline from "node:readline";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const libraries = { standardwebhooks: Standard, svix: Svix };

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { library, secret, headers, body } = JSON.parse(line);
  let answer;
  try {
    const bytes = Buffer.from(body, "base64").toString("utf8");
    new libraries[library](secret).verify(bytes, headers);
    answer = { ok: true };
  } catch (problem) {
    answer = { ok: false, why: String(problem.message) };
  }
  console.log(JSON.stringify(answer));
}
