import { readFileSync } from 'node:fs';
import { openWorkbench } from './harness/open.ts';
import { startDocker } from '../fixtures/docker.ts';
import { helpersOf } from './harness/helperPids.ts';
const engine = await startDocker();
const c = engine.run('shop-1', ['sh','-c','sleep 100000'], ['--cpu-quota=20000','--memory=64m']);
const w = await openWorkbench({ width: 1300, height: 900 });
const cpu = (pid: number) => { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); return (Number(f[11]) + Number(f[12])) * 10; };
try {
  await w.openSidebar('Isoscope');
  await w.view('Containers').row('shop-1', [], 90_000);
  const [pid] = helpersOf(w);
  const measure = async (what: string) => { const a = cpu(pid!); await new Promise((r) => setTimeout(r, 40_000)); console.log(what, (cpu(pid!) - a) / 400, '% of a core'); };
  await w.view('Containers').action('shop-1', 'Open Container');
  const t0 = performance.now();
  await w.webview().locator('.cards').waitFor();
  console.log('first page after', Math.round(performance.now() - t0));
  await w.runCommand('View: Close Primary Side Bar');
  await new Promise((r) => setTimeout(r, 5000));
  await measure('overview alone');
  await w.runCommand('View: Close Editor');
  await new Promise((r) => setTimeout(r, 3000));
  await measure('nothing');
} finally { await w.close(); c[Symbol.dispose](); await engine[Symbol.asyncDispose](); }
