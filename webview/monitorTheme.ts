/** The colours of the theme, for canvases, which know no CSS variables. */

/** Of lines, in their order. `charts-orange` is not among them: it is nearly transparent, and missing in high contrast. */
const LINE_COLOURS = [
  '--vscode-charts-blue',
  '--vscode-charts-yellow',
  '--vscode-charts-green',
  '--vscode-charts-purple',
  '--vscode-charts-red',
  '--vscode-terminal-ansiCyan',
  '--vscode-terminal-ansiMagenta',
];

export interface LineStyle {
  /** A CSS variable. */
  variable: string;
  /** When the colours are used up they come again, dotted. */
  dotted: boolean;
}

export function lineStyle(position: number): LineStyle {
  const variable = LINE_COLOURS[position % LINE_COLOURS.length] ?? '--vscode-foreground';
  return { variable, dotted: position >= LINE_COLOURS.length };
}

/** The colour that a variable stands for now; the first that is set. */
export function themeColour(...variables: string[]): string {
  const style = getComputedStyle(document.documentElement);
  const found = variables.map((variable) => style.getPropertyValue(variable).trim()).find((colour) => colour !== '');
  return found ?? getComputedStyle(document.body).color;
}

/** A fifth of a colour: what lies behind the lines must not be taken for one of them, in high contrast neither. */
export function faint(colour: string): string {
  return `color-mix(in srgb, ${colour} 20%, transparent)`;
}

/** Calls back after VS Code has put other colours on the page. */
export function onThemeChange(changed: () => void): void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
}
