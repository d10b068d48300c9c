//! `--service`: the program as a service of Windows, started and stopped by its service control manager.
//!
//! The manager's dispatcher takes the first thread and calls back on another; there the role runs as it would
//! in a console, with a stop from the manager in the place of Ctrl-C.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::{define_windows_service, service_dispatcher};

use crate::exit::Failure;
use crate::log_file::LogFile;
use crate::service::scm::START_WITHIN;
use crate::signal;

/// How long the manager may wait for the end: a role gives itself five seconds.
const STOP_WITHIN: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() -> Result<(), Failure> + Send>;

/// What the dispatcher shall run; set once, before it is called.
static WORK: Mutex<Option<Work>> = Mutex::new(None);
/// How it ended.
static RESULT: Mutex<Option<Result<(), Failure>>> = Mutex::new(None);
/// Where the manager is told how it goes.
static HANDLE: OnceLock<ServiceStatusHandle> = OnceLock::new();
/// The role, when this process is a service.
static ROLE: OnceLock<&'static str> = OnceLock::new();

define_windows_service!(entry, service_main);

/// Whether this process is a service.
pub(crate) fn runs() -> bool {
    ROLE.get().is_some()
}

/// The folder that services keep their things in.
fn folder(role: &str) -> Option<PathBuf> {
    let data = std::env::var_os("ProgramData").filter(|v| !v.is_empty())?;
    Some(PathBuf::from(data).join("chasar").join(role))
}

/// Runs `work` under the service control manager.
///
/// # Errors
/// What `work` failed with, or that the manager has not started this process.
pub(crate) fn run(
    role: &'static str,
    work: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> Result<(), Failure> {
    *WORK.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(work));
    // One process, one role: nobody has set it before.
    let _ = ROLE.set(role);
    // A service in a process of its own is started under whatever name it was registered with.
    service_dispatcher::start(format!("chasar-{role}"), entry).map_err(|error| {
        let error = match error {
            windows_service::Error::Winapi(error) => error.to_string(),
            other => other.to_string(),
        };
        Failure::new(format_args!(
            "cannot run as a service: {error}; --service is for the service control manager (chasar service install)"
        ))
    })?;
    RESULT.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(Ok(()))
}

fn status(state: ServiceState, exit_code: ServiceExitCode) -> ServiceStatus {
    let running = state == ServiceState::Running;
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: if running {
            ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN
        } else {
            ServiceControlAccept::empty()
        },
        exit_code,
        checkpoint: 0,
        wait_hint: match state {
            ServiceState::StartPending => START_WITHIN,
            ServiceState::StopPending => STOP_WITHIN,
            _ => Duration::ZERO,
        },
        process_id: None,
    }
}

fn tell(state: ServiceState, code: ServiceExitCode) {
    if let Some(handle) = HANDLE.get() {
        // A manager that does not listen any more is past helping.
        let _ = handle.set_service_status(status(state, code));
    }
}

/// Tells the manager, if it started this process, that the role does its work.
pub(crate) fn ready() {
    tell(ServiceState::Running, ServiceExitCode::NO_ERROR);
}

fn service_main(arguments: Vec<OsString>) {
    let Some(work) = WORK.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    // The first argument is the name that the service was started under.
    let name = arguments.into_iter().next().unwrap_or_default();
    let registered = service_control_handler::register(name, move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            tell(ServiceState::StopPending, ServiceExitCode::NO_ERROR);
            signal::request();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    });
    if let Ok(handle) = registered {
        let _ = HANDLE.set(handle);
    }
    // It runs when the role says so: an installation that waits for that hears of settings that are wrong.
    tell(ServiceState::StartPending, ServiceExitCode::NO_ERROR);
    let result = work();
    let code = match &result {
        Ok(()) => ServiceExitCode::NO_ERROR,
        Err(failure) => {
            record(failure);
            ServiceExitCode::ServiceSpecific(u32::from(failure.code()))
        }
    };
    *RESULT.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    tell(ServiceState::Stopped, code);
}

/// Writes what went wrong to the log in the usual folder: a service has no console, and may have failed before
/// it had a log.
fn record(failure: &Failure) {
    use std::io::Write;
    let log = ROLE.get().and_then(|role| folder(role)).and_then(|folder| LogFile::open(&folder).ok());
    if let Some(mut log) = log {
        for line in failure.lines() {
            let _ = writeln!(log, "error: {line}");
        }
    }
}
