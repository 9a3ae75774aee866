"""`fast-snow rebuild`: another graph of a finished run, without engines."""

from dataclasses import dataclass

import tyro

from fast_snow.cli.options import Debug, Quiet, RunFolder, Settings
from fast_snow.config import Config
from fast_snow.presets import as_options


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """Fold the graph of a run anew, with other settings, in seconds: no engine runs.

    Needs the perception files of `infer --output.keep-perception`. Settings that are not given are those of the run;
    settings that engines depend on are refused. Replaces graph, keyframes, masks and run.json.
    """

    out: RunFolder
    quiet: Quiet = False
    debug: Debug = False
    config: Settings = Config()
    typed: tyro.conf.Suppress[tuple[str, ...]] = ()
    """The command line, to be read again behind the settings of the run."""

    def run(self) -> int:
        """Replace the run.

        Raises:
            UserError: the run kept no perception files, or a setting needs engines.
        """
        from fast_snow.api import collected_warnings
        from fast_snow.cli.terminal import print_summary, shown_progress, terminable
        from fast_snow.kernels import threads
        from fast_snow.kernels.compilation import watched_compilation
        from fast_snow.rebuilding import rebuild, settings_of

        config = tyro.cli(Rebuild, args=[*as_options(settings_of(self.out)), *self.typed]).config
        threads.limit(config.runtime.threads)
        with (
            collected_warnings(show=False) as noticed,
            shown_progress(quiet=self.quiet) as progress,
            watched_compilation() as compilation,
            terminable(),
        ):
            built = rebuild(self.out, config, warned=noticed, progress=progress)
        compiled_s = compilation.seconds
        print_summary(built.name, self.out, built.used, built.summary, compiled_s=compiled_s, warnings=noticed)
        return 0
