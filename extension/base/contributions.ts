/**
 * What the extension adds to VS Code by package.json. It is declared beside the code that it is about, in exported constants of
 * these types. scripts/contributions.mjs finds `export const NAME: …Contribution = ` in all files of extension/, and writes
 * package.json, package.nls.json and commandIds.ts.
 */
import type { Setting, View } from './ids.ts';
import type { When } from './when.ts';

/** The menus of VS Code that have entries of ours, and our submenus. */
export type MenuId =
  | 'view/title'
  | 'view/item/context'
  | 'editor/title'
  | 'explorer/context'
  | 'terminal/context'
  | 'isoscope.cgroups.limits';

export interface MenuEntry {
  /** Where it stands: `GROUP@ORDER`; groups stand in the order of their names, `navigation` and `inline` are buttons. */
  group: string;
  when?: When;
}

/** A command: the constant `xCommand` is known to the code as `Command.x`. */
export interface CommandContribution {
  id: `isoscope.${string}`;
  title: string;
  /** The name of a product icon. */
  icon?: string;
  /** When it can be run, on a host of Linux. */
  enablement?: When;
  /** It can be run on a host that is none of Linux, too. */
  onEveryPlatform?: true;
  /** When the palette offers it; without, always. */
  palette?: When;
  keybinding?: { key: string; when?: When };
  menus?: Partial<Record<MenuId, readonly MenuEntry[]>>;
}

export interface ViewContribution {
  view: keyof typeof View;
  name: string;
  /** It is folded until a person unfolds it. */
  isCollapsed?: true;
  /** The lines that it says when its list was read, and is empty; a line `[Title](command:id)` is a button. */
  none: readonly string[];
  /** Without root nothing is missing in its list. */
  isWholeWithoutRoot?: true;
}

/** A setting that is one of several values. */
export interface SettingContribution {
  setting: keyof typeof Setting;
  scope: 'machine' | 'window' | 'resource';
  default: string;
  /** Markdown, as what is said of each value is. */
  description: string;
  values: Readonly<Record<string, string>>;
}

/** A text that a person reads: it goes into package.nls.json under this key. */
export interface Text {
  key: string;
  english: string;
}

type OtherSection = 'customEditors' | 'languages' | 'grammars' | 'jsonValidation';

/** Anything else: sections of `contributes`. The lists of several declarations are put together. */
export interface OtherContribution extends Partial<Record<OtherSection, readonly object[]>> {
  submenus?: readonly { id: MenuId; label: Text }[];
  menus?: Partial<Record<MenuId, readonly ({ submenu: MenuId } & MenuEntry)[]>>;
}
