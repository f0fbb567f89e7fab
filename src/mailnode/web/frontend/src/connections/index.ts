/** Connections: the dialog that other pages open, and the page of their list. */

export { openConnectionDialog } from "./dialog";
export { mountConnectionsPage } from "./page";
export type { DialogOptions } from "./types";
