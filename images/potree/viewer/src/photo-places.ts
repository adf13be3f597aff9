// Shows where the photos were taken, and what is known of the one that is chosen.

import { type Box3, Vector3 } from 'three';
import type { ViewCamera } from './camera';
import type { Cloud } from './cloud';
import type { Store } from './choices';
import { element } from './dom';
import { cells } from './panel';
import { fetchPhotos, Frustums, type Photo, PHOTOS_FILE, poseOf } from './photos';
import type { Row } from './report';

/** Of the cloud's core, how much a frustum takes. */
const SHARE = 0.025;

export class PhotoPlaces {
  /** What the report tells of each photo, by name. */
  figures = new Map<string, Row[]>();
  private frustums: Frustums | null = null;
  private chosen: Photo | null = null;
  private loading = false;
  private offered = false;
  private readonly names = element('name', HTMLSelectElement);

  constructor(
    private readonly store: Store,
    private readonly camera: ViewCamera,
    private readonly cloud: Cloud,
    private readonly changed: () => void,
  ) {
    this.names.addEventListener('change', () => this.choose(this.named(this.names.value)));
    element('photo-look').addEventListener('click', () => this.look());
    element('photo-close').addEventListener('click', () => this.close());
    store.follow(() => this.show());
  }

  /** @param there Whether the places are told beside the page. */
  offer(there: boolean): void {
    this.offered = there;
    element('taken').hidden = !there;
    this.show();
  }

  close(): void {
    this.choose(null);
  }

  click(x: number, y: number): void {
    if (this.frustums && this.store.now.photos) this.choose(this.frustums.at(this.camera, x, y));
  }

  /** Call again once the cloud's core is known, which says how large a frustum should be. */
  show(): void {
    const active = this.store.now.photos;
    if (active && this.offered && this.cloud.core && !this.frustums) void this.load(this.cloud.core);
    element('names').hidden = !active || !this.frustums;
    if (!this.frustums) return;
    this.frustums.group.visible = active;
    if (!active) this.choose(null);
  }

  private async load(core: Box3): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    try {
      const photos = await fetchPhotos(`./${PHOTOS_FILE}`);
      this.frustums = new Frustums(photos, SHARE * core.getSize(new Vector3()).length());
      this.cloud.scene.add(this.frustums.group);
      this.camera.include(this.frustums.places);
      this.names.replaceChildren(new Option('none', ''), ...photos.map(({ name }) => new Option(name)));
      this.show();
    } catch (error) {
      console.error(error);
      this.store.set({ photos: false });
    } finally {
      this.loading = false;
    }
  }

  private choose(photo: Photo | null): void {
    this.chosen = photo;
    this.frustums?.choose(photo);
    this.names.value = photo?.name ?? '';
    element('photo').hidden = photo === null;
    element('photo-name').textContent = photo?.name ?? '';
    element('photo-rows').replaceChildren(...cells((photo && this.figures.get(photo.name)) ?? []));
    this.changed();
  }

  private look(): void {
    const centre = this.cloud.core?.getCenter(new Vector3());
    if (this.chosen && centre) this.camera.glideTo(poseOf(this.chosen, centre));
  }

  private named(name: string): Photo | null {
    return this.frustums?.photos.find((photo) => photo.name === name) ?? null;
  }
}
