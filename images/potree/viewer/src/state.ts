// What the page knows about itself, where a person in the console or a test can see it.

export interface ViewerState {
  /** The metadata was read and the first frame drawn. */
  ready: boolean;
  /** Everything that the view needs is loaded and drawn. */
  idle: boolean;
  /** What went wrong; the page shows it and does nothing more, until the person tries again where that may help. */
  error: string | null;
  /** Points and nodes on the screen. */
  points: number;
  nodes: number;
  /** Points that may be drawn at most. */
  budget: number;
  /** Whether edges of depth are darkened in the picture that is shown. */
  shaded: boolean;
  /** How many pictures the graphics card has drawn so far. */
  drawings: number;
}

declare global {
  interface Window {
    pointcloudViewer: ViewerState;
  }
}

export const state: ViewerState = {
  ready: false,
  idle: false,
  error: null,
  points: 0,
  nodes: 0,
  budget: 0,
  shaded: false,
  drawings: 0,
};

window.pointcloudViewer = state;
