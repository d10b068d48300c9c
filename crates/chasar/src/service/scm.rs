//! The service control manager of Windows, through the crate `windows-service`.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use windows_service::Error;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceDependency, ServiceErrorControl,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState,
    ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use super::Role;
use super::plan::Scm;
use super::windows::{RESET_AFTER, RESTART_AFTER, Registration, Start, words_of};

/// The manager does not know what it is told (winerror.h).
const ERROR_INVALID_LEVEL: i32 = 124;

/// How long a service may take to start, as long as systemd lets it: a masternode reads what it kept.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(90);
/// How long it may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// How a service is.
pub(crate) struct Look {
    /// It runs, or is about to.
    pub(crate) running: bool,
    /// The same in words.
    pub(crate) words: String,
    /// The process.
    pub(crate) pid: Option<u32>,
}

/// Asks for a service; `None` when it is not there.
pub(crate) fn look(service: &str) -> Option<Look> {
    let status = open(service, ServiceAccess::QUERY_STATUS).ok()?.query_status().ok()?;
    let words = match status.current_state {
        ServiceState::Running => "running",
        ServiceState::StartPending | ServiceState::ContinuePending => "starting",
        ServiceState::StopPending | ServiceState::PausePending => "stopping",
        ServiceState::Paused => "paused",
        ServiceState::Stopped => "stopped",
    };
    let running = matches!(words, "running" | "starting");
    Some(Look { running, words: words.to_owned(), pid: status.process_id.filter(|_| running) })
}

/// How a role is registered; `None` when it is not, or not as this program would.
pub(crate) fn registered(role: Role) -> Option<Registration> {
    let config = open(role.service(), ServiceAccess::QUERY_CONFIG).ok()?.query_config().ok()?;
    // The whole command line, whatever the crate calls it.
    let mut words = words_of(config.executable_path.to_str()?).into_iter();
    Some(Registration {
        service: role.service(),
        display: config.display_name.into_string().ok()?,
        // Every version's.
        description: role.description(),
        exe: words.next()?,
        arguments: words.collect(),
        account: config.account_name?.into_string().ok()?,
        start: match config.start_type {
            ServiceStartType::OnDemand => Start::ByHand,
            ServiceStartType::Disabled => Start::Never,
            _ => Start::WithTheSystem,
        },
    })
}

/// Does what was told.
pub(crate) fn obey(order: &Scm) -> Result<(), String> {
    match order {
        Scm::Register(registration) => register(registration),
        Scm::Restart { service, .. } => {
            stop(service)?;
            let access = ServiceAccess::START | ServiceAccess::QUERY_STATUS;
            let opened = open(service, access).map_err(words)?;
            opened.start::<OsString>(&[]).map_err(words)?;
            wait(&opened, ServiceState::Running)
        }
        Scm::Stop { service } => stop(service),
        Scm::Delete { service } => {
            open(service, ServiceAccess::DELETE).and_then(|s| s.delete()).map_err(words)
        }
    }
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager, Error> {
    ServiceManager::local_computer(None::<&str>, access)
}

fn open(service: &str, access: ServiceAccess) -> Result<Service, Error> {
    manager(ServiceManagerAccess::CONNECT)?.open_service(service, access)
}

fn register(registration: &Registration) -> Result<(), String> {
    let info = ServiceInfo {
        name: registration.service.into(),
        display_name: registration.display.clone().into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: match registration.start {
            Start::WithTheSystem => ServiceStartType::AutoStart,
            Start::ByHand => ServiceStartType::OnDemand,
            Start::Never => ServiceStartType::Disabled,
        },
        error_control: ServiceErrorControl::Normal,
        executable_path: registration.exe.clone().into(),
        launch_arguments: registration.arguments.iter().map(OsString::from).collect(),
        dependencies: vec![ServiceDependency::Service("Tcpip".into())],
        account_name: Some(registration.account.clone().into()),
        account_password: None,
    };
    let access = ServiceAccess::CHANGE_CONFIG
        | ServiceAccess::START
        | ServiceAccess::QUERY_STATUS
        | ServiceAccess::DELETE;
    if let Ok(service) = open(registration.service, access) {
        service.change_config(&info).map_err(words)?;
        return describe(&service, registration);
    }
    let service = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)
        .and_then(|manager| manager.create_service(&info, access))
        .map_err(words)?;
    describe(&service, registration).inspect_err(|_| {
        // Half a service is none; the first error is what counts.
        let _ = service.delete();
    })
}

/// What is said of a service apart from its registration.
fn describe(service: &Service, registration: &Registration) -> Result<(), String> {
    service.set_description(registration.description).map_err(words)?;
    let again = |delay| ServiceAction { action_type: ServiceActionType::Restart, delay };
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(RESET_AFTER),
        reboot_msg: None,
        command: None,
        actions: Some(RESTART_AFTER.map(again).to_vec()),
    };
    let restarts = service.update_failure_actions(actions);
    // An end with an error that was reported counts as a failure too.
    let restarts = restarts.and_then(|()| service.set_failure_actions_on_non_crash_failures(true));
    match restarts {
        // Wine's service control manager knows no restarts; that is no reason to have no service.
        Err(Error::Winapi(e)) if e.raw_os_error() == Some(ERROR_INVALID_LEVEL) => Ok(()),
        other => other.map_err(words),
    }
}

fn stop(service: &str) -> Result<(), String> {
    let opened = open(service, ServiceAccess::STOP | ServiceAccess::QUERY_STATUS).map_err(words)?;
    let mut state = opened.query_status().map_err(words)?.current_state;
    if state == ServiceState::StartPending {
        // Until it has started it takes no orders; one that ends instead is where it should be.
        let _ = wait(&opened, ServiceState::Running);
        state = opened.query_status().map_err(words)?.current_state;
    }
    if state == ServiceState::Stopped {
        return Ok(());
    }
    opened.stop().map_err(words)?;
    wait(&opened, ServiceState::Stopped)
}

/// Waits until the service is in this state.
fn wait(service: &Service, state: ServiceState) -> Result<(), String> {
    let patience = if state == ServiceState::Running { START_WITHIN } else { STOP_WITHIN };
    let deadline = Instant::now() + patience;
    loop {
        let now = service.query_status().map_err(words)?;
        if now.current_state == state {
            return Ok(());
        }
        if now.current_state == ServiceState::Stopped {
            return Err(format!("it ended: {:?}", now.exit_code));
        }
        if Instant::now() > deadline {
            return Err(format!("it is {:?} after {} s", now.current_state, patience.as_secs()));
        }
        // The service control manager has no way to be told by.
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The words of the system, and what to do about the commonest.
fn words(error: Error) -> String {
    const ERROR_ACCESS_DENIED: i32 = 5;
    match &error {
        Error::Winapi(e) if e.raw_os_error() == Some(ERROR_ACCESS_DENIED) => {
            format!("{e}; run it as administrator")
        }
        Error::Winapi(e) => e.to_string(),
        _ => error.to_string(),
    }
}
