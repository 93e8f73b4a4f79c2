/*
 * grok_stock_bacula.c - what the names of grok patterns for logs of Bacula and Bareos mean; see grok_stock.c.
 *
 * A line is a time, who writes it (director, storage or file daemon), mostly the job, and one of the messages below.
 * The old names keep less of them than those of ECS do.
 */
#include "grok_stock.h"

#define DEVICE_ECS "\"%{BACULA_DEVICE:[bacula][volume][device]}\" \\(%{BACULA_DEVICEPATH:[bacula][volume][path]}\\)"
#define VOLUME "\"%{BACULA_VOLUME:volume}\""
#define VOLUME_ECS "\"%{BACULA_VOLUME:[bacula][volume][name]}\""

const struct grok_stock_row grok_stock_bacula[] = {
    { "BACULA_TIMESTAMP", "%{MONTHDAY}-%{MONTH}(?:-%{YEAR})? %{HOUR}:%{MINUTE}(?::%{SECOND})?", NULL },
    { "BACULA_HOST", "[\\w.-]+", NULL },
    { "BACULA_VOLUME", "[\\w.:+-]+", NULL },
    { "BACULA_DEVICE", "[\\w.:+ -]+", NULL },
    { "BACULA_DEVICEPATH", "%{UNIXPATH}", NULL },
    { "BACULA_CAPACITY", "[0-9]{1,3}(?:,[0-9]{3})*", NULL },
    { "BACULA_VERSION", "[0-9]+(?:\\.[0-9]+)+", NULL },
    { "BACULA_JOB", "[\\w.:+-]*[\\w+-]", NULL },

    /* volumes and devices */
    { "BACULA_LOG_MAX_CAPACITY",
      "User defined maximum volume capacity %{BACULA_CAPACITY} exceeded on device \"%{BACULA_DEVICE:device}\" "
      "\\(%{BACULA_DEVICEPATH}\\)\\.?",
      "User defined maximum volume capacity %{BACULA_CAPACITY:[bacula][volume][max_capacity]} exceeded on "
      "device " DEVICE_ECS "\\.?" },
    { "BACULA_LOG_END_VOLUME",
      "End of medium on Volume " VOLUME " Bytes=%{BACULA_CAPACITY} Blocks=%{BACULA_CAPACITY} at "
      "%{BACULA_TIMESTAMP}\\.?",
      "End of medium on Volume " VOLUME_ECS " Bytes=%{BACULA_CAPACITY:[bacula][volume][bytes]} "
      "Blocks=%{BACULA_CAPACITY:[bacula][volume][blocks]} at %{BACULA_TIMESTAMP:[bacula][timestamp]}\\.?" },
    { "BACULA_LOG_NEW_VOLUME", "Created new Volume[ =]" VOLUME "(?:, [^.]*)? in catalog\\.?",
      "Created new Volume[ =]" VOLUME_ECS "(?:, [^.]*)? in catalog\\.?" },
    { "BACULA_LOG_NEW_LABEL",
      "Labeled new Volume " VOLUME " on (?:file )?device \"%{BACULA_DEVICE:device}\" \\(%{BACULA_DEVICEPATH}\\)\\.?",
      "Labeled new Volume " VOLUME_ECS " on (?:file )?device " DEVICE_ECS "\\.?" },
    { "BACULA_LOG_WROTE_LABEL",
      "Wrote label to prelabeled Volume " VOLUME " on (?:file )?device \"%{BACULA_DEVICE}\" "
      "\\(%{BACULA_DEVICEPATH}\\)\\.?",
      "Wrote label to prelabeled Volume " VOLUME_ECS " on (?:file )?device " DEVICE_ECS "\\.?" },
    { "BACULA_LOG_NEW_MOUNT",
      "New volume " VOLUME " mounted on (?:file )?device \"%{BACULA_DEVICE:device}\" \\(%{BACULA_DEVICEPATH}\\) at "
      "%{BACULA_TIMESTAMP}\\.?",
      "New volume " VOLUME_ECS " mounted on (?:file )?device " DEVICE_ECS
      " at %{BACULA_TIMESTAMP:[bacula][timestamp]}\\.?" },
    { "BACULA_LOG_USEDEVICE", "Using Device \"%{BACULA_DEVICE:device}\"",
      "Using Device \"%{BACULA_DEVICE:[bacula][volume][device]}\"" },
    { "BACULA_LOG_VOLUME_PREVWRITTEN", "Volume " VOLUME " previously written, moving to end of data\\.?",
      "Volume " VOLUME_ECS " previously written, moving to end of data\\.?" },
    { "BACULA_LOG_READYAPPEND", "Ready to append to end of Volume " VOLUME " (?:at file=|size=)%{BACULA_CAPACITY}\\.?",
      "Ready to append to end of Volume " VOLUME_ECS " (?:at file=|size=)%{BACULA_CAPACITY:[bacula][volume][size]}"
      "\\.?" },
    { "BACULA_LOG_NOJOBS", "There are no more Jobs associated with Volume " VOLUME "\\. Marking it purged\\.?",
      "There are no more Jobs associated with Volume " VOLUME_ECS "\\. Marking it purged\\.?" },
    { "BACULA_LOG_ALL_RECORDS_PRUNED", "All records pruned from Volume " VOLUME "; marking it \"Purged\"",
      "All records pruned from Volume " VOLUME_ECS "; marking it \"Purged\"" },

    /* pruning */
    { "BACULA_LOG_BEGIN_PRUNE_JOBS", "Begin pruning Jobs older than %{INT} %{WORD}(?: %{INT} %{WORD})* ?\\.?", NULL },
    { "BACULA_LOG_BEGIN_PRUNE_FILES", "Begin pruning Files\\.?", NULL },
    { "BACULA_LOG_PRUNED_JOBS", "Pruned %{INT} Jobs? for client %{BACULA_HOST:client} from catalog\\.?",
      "Pruned %{INT} Jobs? for client %{BACULA_HOST:[bacula][client][name]} from catalog\\.?" },
    { "BACULA_LOG_PRUNED_FILES", "Pruned Files from %{INT} Jobs? for client %{BACULA_HOST:client} from catalog\\.?",
      "Pruned Files from %{INT} Jobs? for client %{BACULA_HOST:[bacula][client][name]} from catalog\\.?" },
    { "BACULA_LOG_NOPRUNE_JOBS", "No Jobs found to prune\\.?", NULL },
    { "BACULA_LOG_NOPRUNE_FILES", "No Files found to prune\\.?", NULL },
    { "BACULA_LOG_ENDPRUNE", "End auto prune\\.?", NULL },

    /* a job's course */
    { "BACULA_LOG_STARTJOB", "Start Backup JobId %{INT}, Job=%{BACULA_JOB:job}",
      "Start Backup JobId %{INT}, Job=%{BACULA_JOB:[bacula][job][name]}" },
    { "BACULA_LOG_STARTRESTORE", "Start Restore Job %{BACULA_JOB:job}",
      "Start Restore Job %{BACULA_JOB:[bacula][job][name]}" },
    { "BACULA_LOG_JOBEND",
      "Job write elapsed time = %{TIME:elapsed}, Transfer rate = +%{NUMBER}(?: +%{WORD})? +Bytes/second",
      "Job write elapsed time = %{TIME:[bacula][job][elapsed_time]}, Transfer rate = +%{NUMBER}(?: +%{WORD})? +"
      "Bytes/second" },
    { "BACULA_LOG_CLIENT_RBJ", "shell command: run Client(?:Run)?BeforeJob \"%{DATA:runjob}\"",
      "shell command: run Client(?:Run)?BeforeJob \"%{DATA:[bacula][job][client_run_before_command]}\"" },
    { "BACULA_LOG_VSS", "(?:Generate )?VSS (?:Writer|snapshot|init).*", NULL },
    { "BACULA_LOG_CANCELLING", "Cancelling duplicate JobId=%{INT}\\.?",
      "Cancelling duplicate JobId=%{INT:[bacula][job][other_id]}\\.?" },
    { "BACULA_LOG_MARKCANCEL", "JobId %{INT}, Job %{BACULA_JOB:job} marked to be canceled\\.?",
      "JobId %{INT:[bacula][job][id]}, Job %{BACULA_JOB:[bacula][job][name]} marked to be canceled\\.?" },
    { "BACULA_LOG_NOPRIOR", "No prior(?: or suitable)? Full backup (?:Job record )?found(?: in catalog)?\\..*", NULL },

    /* what goes wrong */
    { "BACULA_LOG_DIFF_FS", "%{UNIXPATH} is a different filesystem\\. Will not descend from %{UNIXPATH} into it\\.?",
      NULL },
    { "BACULA_LOG_NOOPEN", "(?:Cannot|Could not) open %{DATA}: ERR=%{GREEDYDATA:berror}",
      "(?:Cannot|Could not) open %{DATA:[file][path]}: ERR=%{GREEDYDATA:[error][message]}" },
    { "BACULA_LOG_NOOPENDIR", "Could not open directory \"?%{DATA}\"?: ERR=%{GREEDYDATA:berror}",
      "Could not open directory \"?%{DATA:[file][path]}\"?: ERR=%{GREEDYDATA:[error][message]}" },
    { "BACULA_LOG_NOSTAT", "Could not stat \"?%{DATA}\"?: ERR=%{GREEDYDATA:berror}",
      "Could not stat \"?%{DATA:[file][path]}\"?: ERR=%{GREEDYDATA:[error][message]}" },
    { "BACULA_LOG_MAXSTART", "Job cancell?ed because max start delay time exceeded\\.?", NULL },
    { "BACULA_LOG_DUPLICATE", "JobId %{INT:duplicate} already running\\. Duplicate job not allowed\\.?",
      "JobId %{INT:[bacula][job][other_id]} already running\\. Duplicate job not allowed\\.?" },
    { "BACULA_LOG_NOJOBSTAT", "No Job status returned from FD\\.?", NULL },
    { "BACULA_LOG_NO_CONNECT",
      "(?:[\\w.]+:[0-9]+ )?Unable to connect to (?:Client:|Storage:|Storage daemon) %{BACULA_HOST:client} on "
      "%{IPORHOST}:%{POSINT}\\. ERR=%{GREEDYDATA:berror}",
      "(?:[\\w.]+:[0-9]+ )?Unable to connect to (?:Client:|Storage:|Storage daemon) "
      "%{BACULA_HOST:[bacula][client][name]} on %{IPORHOST:[client][address]}:%{POSINT:[client][port]:int}\\. "
      "ERR=%{GREEDYDATA:[error][message]}" },
    { "BACULA_LOG_NO_AUTH",
      "(?:[\\w.]+:[0-9]+ )?Unable to authenticate with (?:File|Storage) daemon at \"?%{IPORHOST}:%{POSINT}\"?\\. "
      "Possible causes:",
      "(?:[\\w.]+:[0-9]+ )?Unable to authenticate with (?:File|Storage) daemon at "
      "\"?%{IPORHOST:[client][address]}:%{POSINT:[client][port]:int}\"?\\. Possible causes:" },
    { "BACULA_LOG_FATAL", "(?:Fatal [Ee]rror|Error|Warning): ", NULL },

    { "BACULA_LOG_OF_VOLUMES",
      "(?:%{BACULA_LOG_MAX_CAPACITY}|%{BACULA_LOG_END_VOLUME}|%{BACULA_LOG_NEW_VOLUME}|%{BACULA_LOG_NEW_LABEL}"
      "|%{BACULA_LOG_WROTE_LABEL}|%{BACULA_LOG_NEW_MOUNT}|%{BACULA_LOG_USEDEVICE}|%{BACULA_LOG_VOLUME_PREVWRITTEN}"
      "|%{BACULA_LOG_READYAPPEND}|%{BACULA_LOG_NOJOBS}|%{BACULA_LOG_ALL_RECORDS_PRUNED})",
      NULL },
    { "BACULA_LOG_OF_PRUNING",
      "(?:%{BACULA_LOG_BEGIN_PRUNE_JOBS}|%{BACULA_LOG_BEGIN_PRUNE_FILES}|%{BACULA_LOG_PRUNED_JOBS}"
      "|%{BACULA_LOG_PRUNED_FILES}|%{BACULA_LOG_NOPRUNE_JOBS}|%{BACULA_LOG_NOPRUNE_FILES}|%{BACULA_LOG_ENDPRUNE})",
      NULL },
    { "BACULA_LOG_OF_JOBS",
      "(?:%{BACULA_LOG_STARTJOB}|%{BACULA_LOG_STARTRESTORE}|%{BACULA_LOG_JOBEND}|%{BACULA_LOG_CLIENT_RBJ}"
      "|%{BACULA_LOG_VSS}|%{BACULA_LOG_CANCELLING}|%{BACULA_LOG_MARKCANCEL}|%{BACULA_LOG_NOPRIOR})",
      NULL },
    { "BACULA_LOG_OF_FAULTS",
      "(?:%{BACULA_LOG_DIFF_FS}|%{BACULA_LOG_NOOPENDIR}|%{BACULA_LOG_NOOPEN}|%{BACULA_LOG_NOSTAT}"
      "|%{BACULA_LOG_MAXSTART}|%{BACULA_LOG_DUPLICATE}|%{BACULA_LOG_NOJOBSTAT}|%{BACULA_LOG_NO_CONNECT}"
      "|%{BACULA_LOG_NO_AUTH})",
      NULL },
    { "BACULA_LOG_MESSAGE",
      "%{BACULA_LOG_FATAL}?(?:%{BACULA_LOG_OF_VOLUMES}|%{BACULA_LOG_OF_PRUNING}|%{BACULA_LOG_OF_JOBS}"
      "|%{BACULA_LOG_OF_FAULTS})",
      NULL },
    /* "JobId 7, Job x marked": there the job is a part of the message. */
    { "BACULA_LOGLINE",
      "%{BACULA_TIMESTAMP:bts} %{BACULA_HOST:hostname}(?: JobId %{INT:jobid}(?=:))?:?\\s+%{BACULA_LOG_MESSAGE}",
      "%{BACULA_TIMESTAMP:timestamp} %{BACULA_HOST:[host][hostname]}(?: JobId %{INT:[bacula][job][id]}(?=:))?:?\\s+"
      "%{BACULA_LOG_MESSAGE}" },
    { NULL, NULL, NULL },
};
