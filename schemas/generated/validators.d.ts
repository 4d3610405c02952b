// Generated from the JSON Schema files by `npm run generate`. Do not edit.
interface Validator {
  (data: unknown): boolean;
  errors?: { instancePath: string; message?: string; params: Record<string, unknown> }[] | null;
}
export const CancelRequested_1: Validator;
export const ChannelClosed_1: Validator;
export const ChatModelSelected_1: Validator;
export const CommandRefused_1: Validator;
export const DeadLettered_1: Validator;
export const IntakePaused_1: Validator;
export const IntakeResumed_1: Validator;
export const MessageDeleted_1: Validator;
export const MessageEdited_1: Validator;
export const MessageReceived_1: Validator;
export const ModelStepCompleted_1: Validator;
export const ModelStepFailed_1: Validator;
export const ProcessExited_1: Validator;
export const ProcessStarted_1: Validator;
export const SendRequested_1: Validator;
export const Steered_1: Validator;
export const TaskCancelled_1: Validator;
export const TaskFired_1: Validator;
export const TaskScheduled_1: Validator;
export const TimerFired_1: Validator;
export const ToolCalled_1: Validator;
export const ToolCompleted_1: Validator;
export const TurnCancelled_1: Validator;
export const TurnClaimed_1: Validator;
export const TurnCompleted_1: Validator;
export const TurnFailed_1: Validator;
export const TurnParked_1: Validator;
export const TurnRequested_1: Validator;
export const TurnResumed_1: Validator;
export const CancelTask_1: Validator;
export const CancelTurn_1: Validator;
export const RetryTurn_1: Validator;
export const ScheduleTask_1: Validator;
export const SelectChatModel_1: Validator;
