"""Labelled clips: folders and manifests, splits and folds, checks, and fingerprints of recordings.

A corpus is a folder with one sub-folder for each class, or a CSV manifest. Nothing here decodes sound: hashes and
frames are arguments.
"""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.corpus.additions import add_clips
    from gmmaudio.corpus.checks import (
        check_file_groups,
        check_labels,
        check_names,
        check_same_audio,
        check_shared_audio,
    )
    from gmmaudio.corpus.clip import Clip, Corpus
    from gmmaudio.corpus.duplicate_search import near_duplicates, near_duplicates_within
    from gmmaudio.corpus.fingerprint import Fingerprint, compute_fingerprint, from_hex, to_hex
    from gmmaudio.corpus.reading import list_audio, read_manifest, scan_folder
    from gmmaudio.corpus.shards import digest_clips, select_shard
    from gmmaudio.corpus.source_division import source_folds
    from gmmaudio.corpus.split import (
        Fold,
        column_folds,
        group_keys,
        leave_one_group_out,
        plan_split,
        random_folds,
        scored_labels,
        select_split,
        straddling_groups,
    )
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.corpus.additions": "add_clips",
            "gmmaudio.corpus.checks": "check_file_groups check_labels check_names check_same_audio check_shared_audio",
            "gmmaudio.corpus.clip": "Clip Corpus",
            "gmmaudio.corpus.duplicate_search": "near_duplicates near_duplicates_within",
            "gmmaudio.corpus.fingerprint": "Fingerprint compute_fingerprint from_hex to_hex",
            "gmmaudio.corpus.reading": "list_audio read_manifest scan_folder",
            "gmmaudio.corpus.shards": "digest_clips select_shard",
            "gmmaudio.corpus.source_division": "source_folds",
            "gmmaudio.corpus.split": "Fold column_folds group_keys leave_one_group_out plan_split random_folds "
            "scored_labels select_split straddling_groups",
        },
    )

__all__ = [
    "Clip",
    "Corpus",
    "Fingerprint",
    "Fold",
    "add_clips",
    "check_file_groups",
    "check_labels",
    "check_names",
    "check_same_audio",
    "check_shared_audio",
    "column_folds",
    "compute_fingerprint",
    "digest_clips",
    "from_hex",
    "group_keys",
    "leave_one_group_out",
    "list_audio",
    "near_duplicates",
    "near_duplicates_within",
    "plan_split",
    "random_folds",
    "read_manifest",
    "scan_folder",
    "scored_labels",
    "select_shard",
    "select_split",
    "source_folds",
    "straddling_groups",
    "to_hex",
]
