// A private certificate authority and server certificates, made by the openssl command.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const openssl = (args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];

/** `{caFile, issue(names), selfSigned(names)}`; names as `DNS:x` or `IP:x`. */
export function authority(folder) {
  const file = (name) => path.join(folder, name);
  openssl(['req', '-x509', ...EC, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=test authority',
    '-addext', 'basicConstraints=critical,CA:TRUE']);
  let serial = 0;
  const read = (name) => ({
    key: fs.readFileSync(file(`${name}.key`)), cert: fs.readFileSync(file(`${name}.pem`)),
    keyFile: file(`${name}.key`), certFile: file(`${name}.pem`),
  });
  const issue = (names) => {
    const name = `server${++serial}`;
    openssl(['req', ...EC.slice(0, 4), '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${name}`, '-nodes']);
    fs.writeFileSync(file(`${name}.ext`), `subjectAltName=${names.join(',')}\n`);
    openssl(['x509', '-req', '-in', file(`${name}.csr`), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial',
      '-days', '30', '-extfile', file(`${name}.ext`), '-out', file(`${name}.pem`)]);
    return read(name);
  };
  const selfSigned = (names) => {
    const name = `own${++serial}`;
    openssl(['req', '-x509', ...EC, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`), '-subj', `/CN=${name}`,
      '-addext', `subjectAltName=${names.join(',')}`]);
    return read(name);
  };
  return { caFile: file('ca.pem'), issue, selfSigned };
}
