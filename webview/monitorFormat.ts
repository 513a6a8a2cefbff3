/** Numbers of a monitor as a person reads them. */
import type { MonitorUnit, MonitorWords } from './monitorMessages.ts';

export interface Shown {
  language: string;
  /** 2 % of one CPU instead of 0.02 cores. */
  percent: boolean;
  words: Pick<MonitorWords, 'coresValue' | 'oneCore'>;
}

const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `{0}`, `{1}` in `text` replaced by `values`. */
export function fill(text: string, ...values: string[]): string {
  return text.replace(/\{(\d)\}/g, (_, position: string) => values[Number(position)] ?? '');
}

export function clock(timeMillis: number, { language }: Shown): string {
  const parts = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
  return new Date(timeMillis).toLocaleTimeString(language, parts);
}

export function formatValue(value: number, unit: MonitorUnit, shown: Shown): string {
  const text = axisText(value, unit, shown);
  if (unit !== 'cores' || shown.percent) return text;
  return text === '1' ? shown.words.oneCore : fill(shown.words.coresValue, text);
}

/** The same, short: cores are not named on each line. */
export function axisText(value: number, unit: MonitorUnit, { language, percent }: Shown): string {
  const number = (shown: number) => shown.toLocaleString(language, { maximumSignificantDigits: 3 });
  switch (unit) {
    case 'cores':
      return percent ? `${number(value * 100)} %` : number(value);
    case 'percent':
      return `${number(value)} %`;
    case 'millisPerSecond':
      return `${number(value)} ms/s`;
    case 'tasks':
      return Math.round(value).toLocaleString(language);
    case 'bytes':
      return bytes(value, number);
    case 'operationsPerSecond':
      return `${number(value)} IOPS`;
    case 'bytesPerSecond':
      return `${bytes(value, number)}/s`;
  }
}

function bytes(value: number, number: (shown: number) => string): string {
  let shown = value;
  let step = 0;
  // 1,000 and not 1,024: three digits would write 1,020 KiB as "1,020".
  while (Math.abs(shown) >= 999.5 && step < BINARY_UNITS.length - 1) {
    shown /= 1024;
    step += 1;
  }
  return `${number(step === 0 ? Math.round(shown) : shown)} ${BINARY_UNITS[step]}`;
}

/** What an axis may step by, so that its labels are round: powers of two for bytes. */
export function axisSteps(unit: MonitorUnit): number[] {
  if (unit === 'bytes' || unit === 'bytesPerSecond') return Array.from({ length: 60 }, (_, exponent) => 2 ** exponent);
  const least = unit === 'tasks' ? 0 : -5;
  return Array.from({ length: 12 }, (_, position) => position + least).flatMap((exponent) =>
    [1, 2, 5].map((digit) => Number(`${digit}e${exponent}`)),
  );
}

/** The least that an axis reaches up to, so that noise does not fill the chart. */
export function axisFloor(unit: MonitorUnit): number {
  const floors: Record<MonitorUnit, number> = {
    cores: 0.01,
    bytes: 64 * 1024,
    bytesPerSecond: 1024,
    operationsPerSecond: 4,
    tasks: 4,
    percent: 1,
    millisPerSecond: 10,
  };
  return floors[unit];
}
