// Runs oauth2-mock-server over TLS on 127.0.0.1 until its stdin ends: node serve.mjs KEY CERTIFICATE
import { OAuth2Server } from "oauth2-mock-server";

const [key, certificate] = process.argv.slice(2);
const server = new OAuth2Server(key, certificate);
await server.issuer.keys.generate("RS256");
await server.start(0, "127.0.0.1");
console.log(server.address().port);
process.stdin.resume().on("end", () => server.stop());
