/** The ways to log in that the dialog offers, and which of them fit a service. */

export interface Tile {
  id: string;
  label: string;
  type: string;
  /** The services that it is meant for, the usual one first; any where there are none. */
  services: readonly string[];
  /** Fields that must be filled in beside those that the type requires. */
  required: readonly string[];
  /** Fields that only this form and that of a change have. */
  shows: readonly string[];
}

/** Fields that are only in the forms of tiles which name them. */
export const ONLY_WHERE_NAMED: readonly string[] = ["type", "authorizeUrl", "tenantId"];

export function tileOf(item: HTMLElement): Tile {
  const words = (text = ""): string[] => text.split(" ").filter(Boolean);
  const { tile = "", type = "", services, required, shows } = item.dataset;
  const label = item.querySelector("strong")?.textContent ?? "";
  return { id: tile, label, type, services: words(services), required: words(required), shows: words(shows) };
}

/** Give the tiles for a service that takes these types of connections, or for any place if none is known. */
export function fitting(tiles: readonly Tile[], service: string, types: readonly string[], isOwn: boolean): Tile[] {
  if (isOwn) return tiles.filter((tile) => !tile.services.length);
  if (!service) return [...tiles];
  const named = tiles.filter((tile) => tile.services.includes(service));
  const general = tiles.filter((tile) => !tile.services.length && types.includes(tile.type));
  return [...named, ...general.filter((tile) => !named.some((one) => one.type === tile.type))];
}

/** Give the tile of a connection that is there. */
export function tileFor(tiles: readonly Tile[], type: string, service: string): Tile | undefined {
  const ofType = tiles.filter((tile) => tile.type === type);
  return ofType.find((tile) => tile.services.includes(service)) ?? ofType.find((tile) => !tile.services.length);
}
