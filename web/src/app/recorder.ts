/** The camera's clean video, kept only while a person asks for it. */

export class Recorder {
  private readonly recorder: MediaRecorder
  private readonly chunks: Blob[] = []
  private readonly ended: Promise<void>

  constructor(stream: MediaStream) {
    const kinds = ['video/mp4;codecs=avc1', 'video/webm;codecs=vp9', 'video/webm', 'video/mp4']
    const mimeType = kinds.find((kind) => MediaRecorder.isTypeSupported(kind))
    this.recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {})
    this.recorder.ondataavailable = ({ data }) => data.size && this.chunks.push(data)
    this.ended = new Promise((resolve) => (this.recorder.onstop = () => resolve()))
    this.recorder.start(1000)
  }

  static possible(stream: MediaStream | null): stream is MediaStream {
    return stream !== null && typeof MediaRecorder !== 'undefined'
  }

  pause(paused: boolean): void {
    if (paused && this.recorder.state === 'recording') this.recorder.pause()
    if (!paused && this.recorder.state === 'paused') this.recorder.resume()
  }

  /** The video's file name and bytes. */
  async finish(): Promise<{ name: string; data: Uint8Array }> {
    if (this.recorder.state !== 'inactive') this.recorder.stop()
    await this.ended
    const blob = new Blob(this.chunks, { type: this.recorder.mimeType })
    const name = this.recorder.mimeType.includes('mp4') ? 'video.mp4' : 'video.webm'
    return { name, data: new Uint8Array(await blob.arrayBuffer()) }
  }
}
